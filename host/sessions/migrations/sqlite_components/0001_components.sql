-- The bytes of components. Whose they are, and which of them count, the table `components` of the file beside this one says.
CREATE TABLE components (
    number INTEGER PRIMARY KEY,
    -- Of one upload: none is given twice.
    id TEXT NOT NULL,
    bytes BLOB NOT NULL
) STRICT;

CREATE UNIQUE INDEX components_by_id ON components (id);
