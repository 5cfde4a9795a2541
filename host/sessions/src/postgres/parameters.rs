//! What statements take, and the types that PostgreSQL has for it.

use tokio_postgres::types::{ToSql, Type};

/// A value with its type: a statement that was not prepared has to name the types of what it takes.
pub(super) trait Typed: ToSql + Sync {
    fn sql_type(&self) -> Type;
}

/// What a statement takes.
pub(super) type Parameter<'a> = &'a (dyn Typed + 'a);

/// A Rust type that is always of one SQL type.
trait SqlType {
    const TYPE: Type;
}

impl<T: SqlType + ToSql + Sync> Typed for T {
    fn sql_type(&self) -> Type {
        T::TYPE
    }
}

impl<T: SqlType> SqlType for Option<T> {
    const TYPE: Type = T::TYPE;
}

macro_rules! sql_types {
    ($($rust:ty => $sql:ident),+ $(,)?) => {
        $(impl SqlType for $rust {
            const TYPE: Type = Type::$sql;
        })+
    };
}

sql_types! {
    bool => BOOL,
    i32 => INT4,
    i64 => INT8,
    &str => TEXT,
    String => TEXT,
    &[u8] => BYTEA,
    Vec<u8> => BYTEA,
    Vec<i64> => INT8_ARRAY,
    Vec<Option<i64>> => INT8_ARRAY,
    Vec<&str> => TEXT_ARRAY,
    Vec<String> => TEXT_ARRAY,
    Vec<Option<&str>> => TEXT_ARRAY,
    Vec<Option<String>> => TEXT_ARRAY,
    &[&[u8]] => BYTEA_ARRAY,
    Vec<&[u8]> => BYTEA_ARRAY,
    Vec<Vec<u8>> => BYTEA_ARRAY,
}
