//! Whole graphs of forged modules, linked in memory: the stages of the loader over a [`lode::world::Host`] that is a table
//! of names and bytes. No kernel takes part, so a test can give modules any address, let any call fail, and look at every
//! word afterwards.
//!
//! | part | what it asks |
//! |---|---|
//! | `finding` | which file a name becomes, in what order, and what ends a search |
//! | `binding` | which definition a reference gets |
//! | `versions` | which version of it |
//! | `demands` | what a file asks of the machine, the system and the loader |
//! | `relocations` | what each type stores, and what is refused |
//! | `content` | what is refused for what it would do, and what `--allow` lets through |
//! | `order` | constructors, resolvers, copies |
//! | `damage` | that no content of a file makes a stage panic |
//! | `namespaces` | what is loaded and found in a namespace of its own |
//! | `slots` | which tables of function slots wait for their calls |
//! | `resolver` | that the index of a scope gives the answers of the walk |
//! | `many` | that what is kept in step with the modules says what a look at all of them says |
//! | `keeping` | what must not change: modules that arrive final, and a world whose next batch fails |

#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

#[path = "world/binding.rs"]
mod binding;
#[path = "world/content.rs"]
mod content;
#[path = "world/damage.rs"]
mod damage;
#[path = "world/demands.rs"]
mod demands;
#[path = "world/finding.rs"]
mod finding;
#[path = "world/keeping.rs"]
mod keeping;
#[path = "world/many.rs"]
mod many;
#[path = "world/namespaces.rs"]
mod namespaces;
#[path = "world/order.rs"]
mod order;
#[path = "world/relocations.rs"]
mod relocations;
#[path = "world/resolver.rs"]
mod resolver;
#[path = "world/slots.rs"]
mod slots;
#[path = "world/stand.rs"]
mod stand;
#[path = "world/versions.rs"]
mod versions;
