//! Components that ask for something from their start: memory, tables, instances.

/// What a component asks for from its start.
pub(crate) struct Shape {
    pub(crate) pages: u64,
    pub(crate) elements: u64,
    pub(crate) instances: usize,
    pub(crate) memories: usize,
    pub(crate) tables: usize,
}

impl Default for Shape {
    fn default() -> Self {
        Self { pages: 1, elements: 1, instances: 1, memories: 1, tables: 1 }
    }
}

impl Shape {
    /// An Action of this shape. Each memory but the first is an instance's of its own.
    pub(crate) fn component(&self) -> Vec<u8> {
        let Self { pages, elements, instances, memories, tables } = self;
        let with_memory = "(core instance (instantiate $Memory))".repeat(memories - 1);
        let empty = "(core instance (instantiate $Empty))".repeat(instances.saturating_sub(*memories));
        let tables = format!("(table {elements} funcref)").repeat(*tables);
        let text = format!(
            r#"(component
            (core module $Main
                (memory (export "memory") {pages})
                {tables}
                (func (export "run") (result i32) (i32.const 0)))
            (core module $Memory (memory {pages}))
            (core module $Empty)
            (core instance $main (instantiate $Main))
            {with_memory}
            {empty}
            (func $run (result (result (error string)))
                (canon lift (core func $main "run") (memory (core memory $main "memory"))))
            (export "on-execute-post-login" (func $run))
            (export "on-continue-post-login" (func $run)))"#
        );
        wat::parse_str(text).expect("the text is right")
    }
}
