//! What lode does about each member that a libc may use: the one list that `lode-tool check-libc` and `cargo xtask tables --verify` share.
//!
//! lode fills every member of a row but those that are listed here, each with the reason. `tests/members.rs` holds the list against a process under
//! lode.

use crate::Structure::{self, LinkMap, Namespace, RtldGlobal, RtldGlobalRo, Thread};
use crate::members::Part;

/// What lode does about a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It fills it.
    Filled,
    /// It leaves it zero, or to libc, and rightly; this is the reason.
    Left(&'static str),
    /// It does not fill it, and libc only stores to it.
    Stored,
    /// It does not fill it.
    Unfilled,
    /// The row has no such member.
    Unknown,
}

impl Verdict {
    /// Whether the libc must not run under lode because of it.
    pub fn is_fault(self) -> bool {
        matches!(self, Self::Unfilled | Self::Unknown)
    }
}

/// What libc does with a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Directions {
    /// It reads it.
    pub is_read: bool,
    /// It stores to it.
    pub is_stored: bool,
}

/// A list of what lode does not fill.
#[derive(Debug, Clone, Copy)]
pub struct Reviewed<'a> {
    /// Members that are left zero, or to libc.
    pub left: &'a [(Structure, &'a str, &'static str)],
    /// Members that no row has, by the members between which they lie.
    pub unnamed: &'a [(Structure, (&'a str, &'a str), &'static str)],
    /// Members of rows that lode does not fill, because no libc reads them.
    pub unfilled: &'a [(Structure, &'a str)],
}

impl Reviewed<'_> {
    /// What lode does about a member, or about bytes between members.
    pub fn verdict(&self, part: &Part, directions: Directions) -> Verdict {
        let is_here = |structure: Structure| structure == part.structure;
        let Some(member) = part.member else {
            // A thread's head is libc's own but for what rows have of it. What libc reads there and never stores is the loader's to fill.
            if is_here(Thread) && directions.is_stored {
                return Verdict::Left("libc's own, zero in a new thread");
            }
            let mut known = self.unnamed.iter();
            let known = known.find(|known| is_here(known.0) && known.1 == part.neighbours);
            return known.map_or(Verdict::Unknown, |known| Verdict::Left(known.2));
        };
        if let Some(known) = self.left.iter().find(|known| is_here(known.0) && known.1 == member) {
            return Verdict::Left(known.2);
        }
        match self.unfilled.iter().any(|known| is_here(known.0) && known.1 == member) {
            true if directions.is_read => Verdict::Unfilled,
            true => Verdict::Stored,
            false => Verdict::Filled,
        }
    }
}

/// What is known of this lode.
pub const LODE: Reviewed<'static> = Reviewed {
    left: &[
        (RtldGlobalRo, "_dl_debug_mask", "0: libc has nothing to print"),
        (
            RtldGlobalRo,
            "_dl_initial_searchlist",
            "compared where _ns_global_scope_alloc is not 0",
        ),
        (
            RtldGlobalRo,
            "_dl_init_all_dirs",
            "a list of no folders; null up to 2.33, so that the hooks of those releases count",
        ),
        (RtldGlobalRo, "_dl_naudit", "0: nobody audits"),
        (RtldGlobal, "_dl_profile_map", "null: nothing is profiled"),
        (RtldGlobal, "_dl_all_dirs", "equal to _dl_init_all_dirs: no folders"),
        (RtldGlobal, "_dl_x86_feature_1", "0: no control-flow enforcement"),
        (RtldGlobal, "_dl_init_static_tls", "libpthread stores it, up to 2.33"),
        (RtldGlobal, "_dl_wait_lookup_done", "libpthread stores it, up to 2.32"),
        (RtldGlobal, "_dl_scope_free_list", "null: nothing waits to be freed"),
        (
            RtldGlobal,
            "_dl_stack_cache_actsize",
            "0: libc has no stacks to reuse yet",
        ),
        (RtldGlobal, "_dl_in_flight_stack", "0: libc changes no list yet"),
        (RtldGlobal, "_dl_stack_cache_lock", "0: free"),
        (Namespace, "_ns_global_scope_alloc", "0: nothing is to be freed"),
        (LinkMap, "l_scope", "read by dlsym where it is not hooked"),
        (LinkMap, "l_local_scope", "read by dlsym where it is not hooked"),
        (LinkMap, "l_tls_dtor_count", "0: libc counts here"),
        (Thread, "multiple_threads", "0: one thread; libc counts"),
        (Thread, "gscope_flag", "0: no look-up in progress"),
        (Thread, "sysinfo", "0 on this machine"),
        (Thread, "feature_1", "0: no control-flow enforcement"),
        (Thread, "__private_ss", "0: no split stack"),
        (Thread, "ssp_base", "0: no shadow stack"),
        (Thread, "cancelhandling", "0: not cancelled"),
        (Thread, "specific_1stblock", "zero: no values yet"),
        (Thread, "joinid", "null: joinable"),
        (Thread, "stackblock", "0: the stack of the first thread begins anywhere"),
        (
            Thread,
            "schedparam",
            "zero: the ordinary policy; libc asks the kernel before it looks",
        ),
        (Thread, "guardsize", "0: libc has made no guard for this stack"),
        (Thread, "rtld_catch", "null: the loader's own"),
        (Thread, "getrandom_buf", "null: none yet"),
        (Thread, "tls_state", "zero: libc's own"),
    ],
    unnamed: &[
        // _dl_audit.
        (
            RtldGlobalRo,
            ("_dl_tls_get_addr_soft", "_dl_naudit"),
            "read where _dl_naudit is not 0",
        ),
        (
            RtldGlobalRo,
            ("_dl_dlfcn_hook", "_dl_naudit"),
            "read where _dl_naudit is not 0",
        ),
        // _dl_rtld_auditstate, behind the loader's own link_map.
        (
            RtldGlobal,
            ("_dl_all_dirs", "_dl_rtld_lock_recursive"),
            "read where _dl_naudit is not 0",
        ),
        (
            RtldGlobal,
            ("_dl_all_dirs", "_dl_x86_feature_1"),
            "read where _dl_naudit is not 0",
        ),
        // _dl_make_stack_executable_hook.
        (
            RtldGlobal,
            ("_dl_x86_feature_1", "_dl_stack_flags"),
            "libpthread stores how a loader makes stacks executable; lode makes none so",
        ),
        // l_free_initfini, and l_initfini.
        (
            LinkMap,
            ("l_contiguous", "l_versyms"),
            "0: nothing of this map is to be freed",
        ),
        (
            LinkMap,
            ("l_ld_readonly", "l_versyms"),
            "0: nothing of this map is to be freed",
        ),
        (
            LinkMap,
            ("l_local_scope", "l_flags_1"),
            "freed where l_free_initfini is not 0",
        ),
        // eventbuf and start_routine.
        (
            Thread,
            ("schedparam", "stackblock"),
            "stored by a debugger, or by pthread_create for others",
        ),
    ],
    unfilled: &[
        (RtldGlobalRo, "_dl_x86_tlsdesc_dynamic"),
        (RtldGlobalRo, "_dl_x86_64_runtime_resolve"),
        (RtldGlobal, "_dl_tls_generation"),
    ],
};

#[cfg(test)]
mod tests {
    use super::*;

    fn part(member: Option<&'static str>, structure: Structure, neighbours: (&'static str, &'static str)) -> Part {
        Part {
            structure,
            offset: 0,
            end: 8,
            member,
            neighbours,
        }
    }

    const READ: Directions = Directions {
        is_read: true,
        is_stored: false,
    };
    const STORED: Directions = Directions {
        is_read: false,
        is_stored: true,
    };

    #[test]
    fn what_the_list_does_not_name_is_filled() {
        let verdict = |member| LODE.verdict(&part(Some(member), RtldGlobalRo, ("", "")), READ);
        assert_eq!(verdict("_dl_pagesize"), Verdict::Filled);
        assert!(matches!(verdict("_dl_naudit"), Verdict::Left(_)));
        assert_eq!(verdict("_dl_x86_tlsdesc_dynamic"), Verdict::Unfilled);
    }

    #[test]
    fn a_member_that_is_only_stored_need_not_be_filled() {
        let generation = part(Some("_dl_tls_generation"), RtldGlobal, ("", ""));
        assert_eq!(LODE.verdict(&generation, STORED), Verdict::Stored);
        assert!(LODE.verdict(&generation, READ).is_fault());
    }

    #[test]
    fn bytes_between_members_are_known_by_their_neighbours() {
        let audit = part(None, RtldGlobalRo, ("_dl_dlfcn_hook", "_dl_naudit"));
        assert!(!LODE.verdict(&audit, READ).is_fault());
        let other = part(None, RtldGlobalRo, ("_dl_find_object", "_dl_dlfcn_hook"));
        assert_eq!(LODE.verdict(&other, READ), Verdict::Unknown);
        assert_eq!(LODE.verdict(&other, STORED), Verdict::Unknown);
    }

    #[test]
    fn in_a_threads_head_libc_has_to_store_what_it_reads() {
        let own = part(None, Thread, ("tid", "robust_prev"));
        assert_eq!(LODE.verdict(&own, READ), Verdict::Unknown);
        assert!(!LODE.verdict(&own, STORED).is_fault());
    }
}
