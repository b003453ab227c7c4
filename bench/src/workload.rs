//! What the generated workloads are: how many libraries, symbols, relocations.

/// The shape of a generated workload. A library is named `libNNNN.so`, a program `main`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shape {
    /// A program without any library: what a loader costs at the least.
    Empty,
    /// Libraries that refer to each other's functions by long names.
    Symbols {
        /// Libraries.
        libraries: usize,
        /// Functions that each exports.
        exports: usize,
        /// Functions, of any library, that each refers to.
        references: usize,
        /// Words that refer to each of them, as the tables of virtual functions do.
        copies: usize,
    },
    /// Libraries for `dlopen`: each refers to itself and to earlier ones only.
    Plugins(usize),
    /// One library with many functions, for `dlsym`.
    Exports(usize),
    /// A binary tree of dependencies, of that many libraries.
    Tree(usize),
    /// As many folders in each RUNPATH as there are libraries, each of which lies in another.
    Runpath(usize),
    /// Thread-local variables, reached by offsets (TPOFF64) and by descriptors (TLSDESC).
    ThreadLocal {
        /// Libraries.
        libraries: usize,
        /// Variables of each.
        variables: usize,
    },
    /// That many IRELATIVE relocations, each with a resolver of its own.
    Resolvers(usize),
    /// RELATIVE relocations of one library.
    Relative {
        /// How many.
        count: usize,
        /// As DT_RELR and not as DT_RELA.
        packed: bool,
        /// Bytes from one to the next.
        stride: usize,
    },
}

const fn symbols(libraries: usize, exports: usize, references: usize, copies: usize) -> Shape {
    Shape::Symbols {
        libraries,
        exports,
        references,
        copies,
    }
}

const fn relative(count: usize, packed: bool, stride: usize) -> Shape {
    Shape::Relative { count, packed, stride }
}

/// All generated workloads by their names.
pub const WORKLOADS: &[(&str, Shape)] = &[
    ("empty", Shape::Empty),
    ("syms-10x1k", symbols(10, 1000, 1000, 1)),
    ("syms-100x1k", symbols(100, 1000, 1000, 1)),
    ("syms-500x200", symbols(500, 200, 200, 1)),
    ("vtable-50x1k-dup5", symbols(50, 1000, 1000, 5)),
    ("small-10", symbols(10, 20, 20, 1)),
    ("small-100", symbols(100, 20, 20, 1)),
    ("small-1000", symbols(1000, 20, 20, 1)),
    ("tree-127", Shape::Tree(127)),
    ("runpath-60", Shape::Runpath(60)),
    (
        "tls-100x50",
        Shape::ThreadLocal {
            libraries: 100,
            variables: 50,
        },
    ),
    ("ifunc-10k", Shape::Resolvers(10_000)),
    ("rela-sparse", relative(2_000, false, 4096)),
    ("rela-1m", relative(1_000_000, false, 8)),
    ("rela-10m", relative(10_000_000, false, 8)),
    ("relr-1m", relative(1_000_000, true, 8)),
    ("relr-10m", relative(10_000_000, true, 8)),
    ("plugins-1000", Shape::Plugins(1000)),
    ("exports-100k", Shape::Exports(100_000)),
];

/// The workload of that name.
pub fn named(name: &str) -> Option<Shape> {
    WORKLOADS
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, shape)| *shape)
}
