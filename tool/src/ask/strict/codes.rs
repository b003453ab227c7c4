//! The findings of `strict`, each with its code and a line of text. A code is stable: it is never given to another finding.

macro_rules! codes {
    ($($name:ident = $code:literal, $text:literal;)*) => {
        /// What is unusual.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Code {
            $(
                #[doc = $text]
                $name,
            )*
        }

        /// All codes with their texts, in order.
        pub const TABLE: &[(Code, &str, &str)] = &[$((Code::$name, $code, $text),)*];
    };
}

// W01: headers and segments. W02: the dynamic section and symbols. W03: relocations. W04: versions.
codes! {
    Padding = "W0101", "bytes of e_ident that have no meaning are not zero";
    UnknownSegment = "W0103", "a segment type that lode does not know, and passes over";
    SegmentFlags = "W0104", "a segment has flag bits beyond read, write and execute";
    WritableExecutable = "W0105", "a segment is both writable and executable";
    ExecutableStack = "W0106", "PT_GNU_STACK asks for an executable stack";
    StackSilent = "W0107", "no PT_GNU_STACK: loaders take that for a wish to have an executable stack";
    RelroEnd = "W0108", "PT_GNU_RELRO does not end at a page boundary: what lies in its last page stays writable";
    RelroMissing = "W0109", "there are relocations, but no PT_GNU_RELRO to protect what they made";
    NoBuildId = "W0111", "no build-id: the file cannot be told from another build, and its debug information cannot be found";
    Congruence = "W0113", "p_vaddr and p_offset differ modulo p_align, though not modulo the page";
    Damage = "W0114", "something in the file cannot be read, though a loader does not need it";
    SectionsDiffer = "W0115", "section headers and program headers disagree";
    UnknownTag = "W0201", "a dynamic tag that lode does not know";
    TagTwice = "W0202", "a dynamic tag that may stand once stands twice";
    UnknownFlag = "W0203", "an unknown bit in DT_FLAGS or DT_FLAGS_1";
    NoHash = "W0204", "no DT_HASH: tools that look up symbols by themselves may know only that table";
    HashSkips = "W0205", "a defined symbol lies before the first one that DT_GNU_HASH covers, so nobody finds it";
    NoGnuHash = "W0206", "no DT_GNU_HASH: each look-up goes through longer chains, and without a filter";
    Rpath = "W0207", "DT_RPATH: it is searched before LD_LIBRARY_PATH and inherited; DT_RUNPATH replaced it";
    NoSoname = "W0208", "a library without DT_SONAME";
    GnuHashMisses = "W0209", "DT_GNU_HASH does not lead to a symbol that it covers";
    HashMisses = "W0210", "DT_HASH does not lead to a defined symbol";
    NoDebug = "W0213", "a program without DT_DEBUG: debuggers cannot find its list of libraries";
    TextRelocationsAsked = "W0215", "DT_TEXTREL: relocations in read-only segments";
    RelocationOfNothing = "W0301", "a relocation asks for nothing (R_*_NONE)";
    Unaligned = "W0302", "a relocation's place is not aligned to its size";
    Overlap = "W0303", "two relocations write the same bytes";
    ReadOnly = "W0304", "a relocation's place is in a segment that is not writable";
    NotInRelr = "W0305", "the file has DT_RELR, and relative relocations besides that it could hold";
    LongRelr = "W0306", "the DT_RELR stream is longer than it has to be";
    UnknownRelocation = "W0307", "a relocation that lode does not know";
    OtherForm = "W0308", "DT_REL on a machine that uses DT_RELA, or the reverse";
    PltInside = "W0310", "DT_JMPREL lies inside DT_RELA or DT_REL: its relocations stand in both";
    ShortDistance = "W0312", "a 32-bit pc-relative relocation, which does not reach a definition that is mapped far away";
    RelativeToSymbol = "W0313", "a relative relocation names a symbol";
    RelativeOutside = "W0314", "a relative relocation makes an address outside the file's memory";
    RelativeCount = "W0341", "DT_RELACOUNT (DT_RELCOUNT) is not the number of relative relocations at the start of the table";
    RelativeLate = "W0343", "relative relocations stand behind others, so that no loader can take them in one run";
    VersionIndicesAlone = "W0401", "DT_VERSYM without DT_VERNEED and DT_VERDEF";
    VersionNotNeeded = "W0404", "versions are required of a library that is not in DT_NEEDED";
    VersionHash = "W0405", "the hash of a version is not that of its name";
    VersionIndexTwice = "W0406", "two versions have one index";
    VersionUnknown = "W0407", "a symbol has a version index that no version has";
}

impl Code {
    /// `W0101`, and the line.
    pub fn text(self) -> (&'static str, &'static str) {
        let found = TABLE.iter().find(|(code, ..)| *code == self);
        found.map_or(("", ""), |(_, code, text)| (code, text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_in_order_and_stand_once() {
        let codes: Vec<&str> = TABLE.iter().map(|(_, code, _)| *code).collect();
        assert!(codes.is_sorted());
        let mut once = codes.clone();
        once.dedup();
        assert_eq!(once, codes);
        assert!(TABLE.iter().all(|(code, name, _)| code.text().0 == *name));
    }
}
