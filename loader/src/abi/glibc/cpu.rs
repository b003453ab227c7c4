//! glibc's view of the processor: every member of `struct cpu_features`, by the rules of glibc 2.36 as
//! distributions ship it (its release branch since late 2023, whose cache thresholds are those of 2.38).
//!
//! libc's IFUNC resolvers choose string functions by these values and `sysconf` reports them, so they have to be
//! what glibc's own loader computes on the same machine, quirks included. Where the members lie and which bit
//! number a preference has is data of the layout rows; this module knows values only.
//!
//! The rules were checked against the released loader under a debugger that answered its CPUID instructions from
//! tables of some thirty processors, and for many settings of GLIBC_TUNABLES. Two members that libc never reads differ
//! on purpose: `xsave_state_size` counts the state that the system has enabled, not all that the processor
//! knows, and `xsave_state_full_size` is not asked for.

#![forbid(unsafe_code)]

use super::layout::{Preferred, Word};
use super::tunables::Tunables;
use crate::cpuid::{
    Cpu, Feature, FeatureSet, Registers, SaveMethod, Vendor, WITH_TILES, WITH_XSAVE, WITH_YMM, WITH_ZMM,
};

/// A set of [`Preferred`] bits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Preferences(u32);

impl Preferences {
    /// Whether the preference is in the set.
    pub fn has(self, preferred: Preferred) -> bool {
        self.0 >> preferred as u8 & 1 == 1
    }

    /// The word `cpu_features.preferred` for a glibc with these bit numbers, by [`Preferred`].
    pub fn word(self, numbers: &[u8]) -> u32 {
        let mut word = 0;
        for (preferred, number) in numbers.iter().enumerate() {
            if let Some(bit) = number.checked_sub(1) {
                word |= (self.0 >> preferred & 1).wrapping_shl(u32::from(bit));
            }
        }
        word
    }

    const fn of(list: &[Preferred]) -> Self {
        let (mut set, mut rest) = (0, list);
        while let [preferred, others @ ..] = rest {
            set |= 1 << *preferred as u8;
            rest = others;
        }
        Self(set)
    }

    fn set(&mut self, preferred: Preferred, on: bool) {
        let bit = 1 << preferred as u8;
        self.0 = if on { self.0 | bit } else { self.0 & !bit };
    }

    fn add(&mut self, more: Self) {
        self.0 |= more.0;
    }
}

/// `cpu_features_basic.kind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Kind {
    /// Intel.
    Intel = 1,
    /// AMD and Hygon.
    Amd = 2,
    /// Zhaoxin.
    Zhaoxin = 3,
    /// Anything else.
    Other = 4,
}

/// One level of cache as glibc reports it. 0 is "none"; -1 is "unknown" and `sysconf` passes it on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cache {
    /// Bytes.
    pub size: i64,
    /// Ways.
    pub assoc: i64,
    /// Bytes of a line.
    pub linesize: i64,
}

impl Cache {
    const NONE: Self = Self {
        size: 0,
        assoc: 0,
        linesize: 0,
    };
    const UNKNOWN: Self = Self {
        size: -1,
        assoc: -1,
        linesize: -1,
    };
}

/// The members of `struct cpu_features`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CpuFacts {
    /// `basic.kind`.
    pub kind: Kind,
    /// `basic.max_cpuid`.
    pub max_cpuid: u32,
    /// `basic.family`; 0 for [`Kind::Other`].
    pub family: u32,
    /// `basic.model`; 0 for [`Kind::Other`].
    pub model: u32,
    /// `basic.stepping`; 0 for [`Kind::Other`].
    pub stepping: u32,
    /// `features[].cpuid`.
    pub cpuid: FeatureSet,
    /// `features[].active`.
    pub active: FeatureSet,
    /// `preferred`.
    pub preferred: Preferences,
    /// `isa_1`.
    pub isa_1: u32,
    /// `xsave_state_size`: a trampoline's save area with integer registers, 0 when it must use FXSAVE.
    pub xsave_state_size: u64,
    /// `xsave_state_full_size`; with XSAVEC, where glibc states the size that XSAVE would need, this is
    /// `xsave_state_size`, which spares a CPUID.
    pub xsave_state_full_size: u32,
    /// `data_cache_size`, bytes.
    pub data_cache_size: i64,
    /// `shared_cache_size`: bytes of the last level, undivided.
    pub shared_cache_size: i64,
    /// `non_temporal_threshold`, bytes.
    pub non_temporal_threshold: u64,
    /// `memset_non_temporal_threshold`, bytes.
    pub memset_non_temporal_threshold: u64,
    /// `rep_movsb_threshold`, bytes.
    pub rep_movsb_threshold: u64,
    /// `rep_movsb_stop_threshold`, bytes.
    pub rep_movsb_stop_threshold: u64,
    /// `rep_stosb_threshold`, bytes.
    pub rep_stosb_threshold: u64,
    /// `level1_icache_*`.
    pub level1_icache: Cache,
    /// `level1_dcache_*`.
    pub level1_dcache: Cache,
    /// `level2_cache_*`.
    pub level2_cache: Cache,
    /// `level3_cache_*`.
    pub level3_cache: Cache,
    /// `level4_cache_size`, bytes.
    pub level4_cache_size: i64,
    /// `_dl_platform` where glibc replaces AT_PLATFORM; names a directory in library searches up to 2.36.
    pub platform: Option<&'static str>,
}

/// How a release makes thresholds of cache sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheRules {
    /// 2.31 and 2.32: libc measures the caches itself, and takes from its loader only what a tunable says.
    Libcs,
    /// Later.
    Plain,
    /// 2.38 and later, as of 2.41: a thread of an AMD processor has the last level of its core complex, and copies and fills there do not use `rep`.
    Complex,
}

impl CpuFacts {
    /// Computes all members, asking `cpu` for the leaves it has not read.
    pub fn compute(cpu: &mut Cpu<'_>, tunables: &Tunables<'_>, rules: CacheRules) -> Self {
        cpu.read_features();
        let kind = match cpu.vendor() {
            Vendor::Intel => Kind::Intel,
            Vendor::Amd | Vendor::Hygon => Kind::Amd,
            Vendor::Zhaoxin => Kind::Zhaoxin,
            Vendor::Other => Kind::Other,
        };
        let mut reported = cpu.reported();
        if kind == Kind::Other {
            // glibc does not read these leaves of a processor whose vendor it does not know.
            for leaf in [1, 0x8000_0001, 0x8000_0007, 0x8000_0008] {
                reported.clear_leaf(leaf, 0);
            }
        }
        let active = reported.usable(cpu.xcr0());
        let mut facts = Self {
            kind,
            max_cpuid: cpu.max_leaf(),
            family: 0,
            model: 0,
            stepping: 0,
            cpuid: reported,
            active,
            preferred: Preferences::default(),
            isa_1: active.isa_1(),
            xsave_state_size: 0,
            xsave_state_full_size: 0,
            data_cache_size: -1,
            shared_cache_size: -1,
            non_temporal_threshold: 0,
            memset_non_temporal_threshold: 0,
            rep_movsb_threshold: 0,
            rep_movsb_stop_threshold: 0,
            rep_stosb_threshold: 0,
            level1_icache: Cache::UNKNOWN,
            level1_dcache: Cache::UNKNOWN,
            level2_cache: Cache::UNKNOWN,
            level3_cache: Cache::UNKNOWN,
            level4_cache_size: -1,
            platform: None,
        };
        if kind != Kind::Other {
            facts.family = cpu.family();
            facts.model = cpu.model();
            facts.stepping = cpu.stepping();
        }
        facts.size_save_area(cpu);
        facts.apply_model_rules();
        let shared = facts.measure_caches(cpu, rules);
        facts.set_thresholds(shared, tunables, rules);
        if let Some(text) = tunables.text(const { Word::new("cpu.hwcaps") }) {
            facts.apply_hwcaps(text);
        }
        facts.drop_state_without_xsave();
        facts.platform = facts.platform_directory();
        facts
    }

    /// Later releases say that programs may write the base registers where the kernel, by bit 1 of AT_HWCAP2, allows it.
    pub fn allow_base_registers(&mut self, rules: CacheRules, hwcap2: u64) {
        if rules == CacheRules::Complex && hwcap2 & 2 != 0 && self.cpuid.has(Feature::FSGSBASE) {
            self.active.insert(Feature::FSGSBASE);
        }
    }

    /// `_rtld_global_ro._dl_hwcap`, which `getauxval(AT_HWCAP)` returns: glibc's own numbers, not the kernel's.
    pub fn hwcap(&self) -> u64 {
        const X86_64: u64 = 1 << 1;
        const AVX512_1: u64 = 1 << 2;
        const SERVER: [Feature; 4] = [
            Feature::AVX512CD,
            Feature::AVX512BW,
            Feature::AVX512DQ,
            Feature::AVX512VL,
        ];
        let server = self.kind == Kind::Intel && self.active.has_all(&SERVER) && !self.active.has(Feature::AVX512ER);
        if server { X86_64 | AVX512_1 } else { X86_64 }
    }

    /// The first word of `feature` in 2.31: the features that a program may use, each at its place in this list.
    pub fn usable(&self) -> u32 {
        const BITS: [Feature; 23] = [
            Feature::AVX,
            Feature::AVX2,
            Feature::AVX512F,
            Feature::AVX512CD,
            Feature::AVX512ER,
            Feature::AVX512PF,
            Feature::AVX512VL,
            Feature::AVX512DQ,
            Feature::AVX512BW,
            Feature::AVX512_4FMAPS,
            Feature::AVX512_4VNNIW,
            Feature::AVX512_BITALG,
            Feature::AVX512_IFMA,
            Feature::AVX512_VBMI,
            Feature::AVX512_VBMI2,
            Feature::AVX512_VNNI,
            Feature::AVX512_VPOPCNTDQ,
            Feature::FMA,
            Feature::FMA4,
            Feature::VAES,
            Feature::VPCLMULQDQ,
            Feature::XOP,
            Feature::XSAVEC,
        ];
        let mut word = 0;
        for (bit, feature) in BITS.iter().enumerate() {
            word |= u32::from(self.active.has(*feature)) << bit;
        }
        word
    }

    fn platform_directory(&self) -> Option<&'static str> {
        const PHI: [Feature; 3] = [Feature::AVX512CD, Feature::AVX512ER, Feature::AVX512PF];
        const HASWELL: [Feature; 7] = [
            Feature::AVX2,
            Feature::FMA,
            Feature::BMI1,
            Feature::BMI2,
            Feature::LZCNT,
            Feature::MOVBE,
            Feature::POPCNT,
        ];
        if self.kind != Kind::Intel {
            None
        } else if self.active.has_all(&PHI) {
            Some("xeon_phi")
        } else {
            self.active.has_all(&HASWELL).then_some("haswell")
        }
    }

    fn size_save_area(&mut self, cpu: &mut Cpu<'_>) {
        /// Integer registers that glibc's trampolines keep beside the vector registers.
        const REGISTERS: u32 = 64;
        if !self.active.has(Feature::XSAVE) || self.max_cpuid < 0xd {
            return;
        }
        let area = cpu.save_area();
        if area.method != SaveMethod::Fxsave {
            let size = area.size.saturating_add(REGISTERS).next_multiple_of(64);
            self.xsave_state_size = u64::from(size);
            self.xsave_state_full_size = size;
        }
    }

    fn apply_model_rules(&mut self) {
        const EXCAVATOR: Preferences = Preferences::of(&[Preferred::FastUnalignedLoad, Preferred::FastCopyBackward]);
        if self.active.has(Feature::AVX2) {
            self.preferred.set(Preferred::AvxFastUnalignedLoad, true);
        }
        match self.kind {
            Kind::Intel => self.apply_intel_rules(),
            Kind::Amd => {
                if self.active.has(Feature::AVX) && self.cpuid.has(Feature::FMA4) {
                    self.active.insert(Feature::FMA4);
                }
                if self.family == 0x15 && (0x60..=0x7f).contains(&self.model) {
                    self.preferred.add(EXCAVATOR);
                    self.preferred.set(Preferred::AvxFastUnalignedLoad, false);
                }
            }
            Kind::Zhaoxin => {
                let slow_sse4_2 = matches!((self.family, self.model), (6, 0xf | 0x19) | (7, 0x1b));
                if slow_sse4_2 {
                    self.preferred.set(Preferred::SlowSse42, true);
                }
                if slow_sse4_2 || (self.family, self.model) == (7, 0x3b) {
                    self.active.remove_all(&[Feature::AVX, Feature::AVX2]);
                    self.preferred.set(Preferred::AvxFastUnalignedLoad, false);
                }
            }
            Kind::Other => {}
        }
        if self.cpuid.has(Feature::CX8) {
            self.preferred.set(Preferred::I586, true);
        }
        if self.cpuid.has(Feature::CMOV) {
            self.preferred.set(Preferred::I686, true);
        }
    }

    fn apply_intel_rules(&mut self) {
        const UNALIGNED: Preferences = Preferences::of(&[
            Preferred::FastUnalignedLoad,
            Preferred::FastUnalignedCopy,
            Preferred::PreferPminubForStringop,
        ]);
        if self.family == 6 {
            match self.model {
                // Bonnell.
                0x1c | 0x26 => self.preferred.set(Preferred::SlowBsf, true),
                // Silvermont, Airmont, Goldmont, Goldmont Plus, Knights Landing.
                0x37 | 0x4a | 0x4c | 0x4d | 0x57 | 0x5a | 0x5c | 0x5d | 0x5f | 0x75 | 0x7a => {
                    self.preferred.add(UNALIGNED);
                    self.preferred.set(Preferred::SlowSse42, true);
                }
                // Tremont.
                0x86 | 0x96 | 0x9c => {
                    self.preferred.add(UNALIGNED);
                    self.preferred.set(Preferred::FastRepString, true);
                    self.preferred.set(Preferred::SlowSse42, true);
                }
                model => {
                    // Nehalem and Westmere; a model that is not listed is taken for their successor if it has AVX.
                    let core = matches!(model, 0x1a | 0x1e | 0x1f | 0x25 | 0x2c | 0x2e | 0x2f);
                    if core || self.cpuid.has(Feature::AVX) {
                        self.preferred.add(UNALIGNED);
                        self.preferred.set(Preferred::FastRepString, true);
                    }
                }
            }
            match (self.model, self.stepping) {
                // Skylake, Kaby Lake and their kin: transactions are off, by microcode or here.
                (0x55, 0..=5) | (0x8e | 0x9e, 0..=0xc) | (0x4e | 0x5e, _) => {
                    self.active.remove_all(&[Feature::HLE, Feature::RTM]);
                    self.active.insert(Feature::RTM_ALWAYS_ABORT);
                }
                // Haswell: transactions do not work, except in later steppings of the server part.
                (0x3f, 0..=3) | (0x3c | 0x45 | 0x46, _) => self.active.remove(Feature::RTM),
                _ => {}
            }
        }
        if (self.family, self.model) == (6, 0x55) {
            // Skylake server and its kin.
            self.preferred.set(Preferred::AvoidNonTemporalMemset, true);
        }
        if self.cpuid.has(Feature::AVX512ER) {
            // Knights Landing and Mill.
            self.preferred.set(Preferred::PreferNoVzeroupper, true);
        } else {
            // AVX-512 lowers the clock on processors older than AVX-VNNI.
            if !self.cpuid.has(Feature::AVX_VNNI) {
                self.preferred.set(Preferred::PreferNoAvx512, true);
            }
            // VZEROUPPER aborts a transaction.
            if self.active.has(Feature::RTM) {
                self.preferred.set(Preferred::PreferNoVzeroupper, true);
            }
        }
        if self.cpuid.has(Feature::FSRM) {
            self.preferred.set(Preferred::AvoidShortDistanceRepMovsb, true);
        }
    }

    /// Fills the cache members and returns what the last level offers.
    fn measure_caches(&mut self, cpu: &mut Cpu<'_>, rules: CacheRules) -> LastLevel {
        match self.kind {
            Kind::Intel | Kind::Zhaoxin => {
                self.level1_icache = self.listed_cache(cpu, Level::Instruction);
                self.level1_dcache = self.listed_cache(cpu, Level::Data);
                self.level2_cache = self.listed_cache(cpu, Level::Second);
                self.level3_cache = self.listed_cache(cpu, Level::Third);
                if self.kind == Kind::Intel {
                    self.level4_cache_size = self.listed_cache(cpu, Level::Fourth).size;
                }
                self.share_by_topology(cpu)
            }
            Kind::Amd => {
                self.measure_amd_caches(cpu);
                if rules == CacheRules::Complex {
                    self.share_of_complex(cpu)
                } else {
                    self.share_on_amd(cpu)
                }
            }
            Kind::Other => LastLevel::of(-1),
        }
    }

    /// A cache of a processor that lists its caches.
    fn listed_cache(&self, cpu: &mut Cpu<'_>, level: Level) -> Cache {
        match self.kind {
            Kind::Intel if self.max_cpuid < 2 => Cache::UNKNOWN,
            Kind::Intel => intel_cache(cpu, level, (self.family, self.model)),
            _ => deterministic_cache(cpu, level).unwrap_or(Cache::NONE),
        }
    }

    fn measure_amd_caches(&mut self, cpu: &mut Cpu<'_>) {
        let mut extended = |leaf| {
            if cpu.reaches_extended(leaf) {
                cpu.leaf(leaf, 0)
            } else {
                Registers::default()
            }
        };
        let first = extended(0x8000_0005);
        let second = extended(0x8000_0006);
        self.level1_icache = amd_first_level(first.edx);
        self.level1_dcache = amd_first_level(first.ecx);
        self.level2_cache = amd_outer_level(second.ecx, i64::from(second.ecx >> 16) << 10);
        let third = i64::from(second.edx >> 18 & 0xfff) << 19;
        self.level3_cache = amd_outer_level(second.edx, third);
    }

    /// The last level of an AMD processor by leaf 0x8000001d, which tells of one core complex; each thread may have all of it.
    fn share_of_complex(&mut self, cpu: &mut Cpu<'_>) -> LastLevel {
        self.level4_cache_size = 0;
        let core = self.level2_cache.size;
        if self.family >= 0x17 && self.level3_cache.size > 0 {
            let cache = cpu.leaf(0x8000_001d, 3);
            let field = |shift: u32, mask: u32| i64::from(cache.ebx >> shift & mask) + 1;
            let (assoc, linesize) = (field(22, 0x3ff), field(0, 0xfff));
            let size = assoc * field(12, 0x3ff) * linesize * (i64::from(cache.ecx) + 1);
            self.level3_cache = Cache { size, assoc, linesize };
            return LastLevel::of(size);
        }
        // The caches exclude each other.
        LastLevel::of(self.level3_cache.size.max(0) + core)
    }

    /// The last level of an AMD processor; a thread's share is that of its core complex.
    fn share_on_amd(&self, cpu: &mut Cpu<'_>) -> LastLevel {
        let core = self.level2_cache.size;
        if self.level3_cache.size <= 0 {
            return LastLevel::of(core);
        }
        let mut last = LastLevel::of(self.level3_cache.size);
        let mut threads = 0;
        if cpu.reaches_extended(0x8000_0008) {
            threads = 1 << (cpu.leaf(0x8000_0008, 0).ecx >> 12 & 0xf);
        }
        if (threads == 0 || self.family >= 0x17) && self.cpuid.has(Feature::HTT) {
            threads = logical_processors(cpu);
        }
        last.divide(threads);
        if self.family >= 0x17 {
            let sharing = cpu.leaf(0x8000_001d, 3).eax >> 14 & 0xfff;
            last.per_thread = last.per_thread.saturating_mul(i64::from(sharing) + 1);
        } else {
            // The caches exclude each other.
            last.add(core, core);
        }
        last
    }

    /// The last level by leaves 4 and 11.
    fn share_by_topology(&self, cpu: &mut Cpu<'_>) -> LastLevel {
        let core = self.level2_cache.size;
        let third_exists = self.level3_cache.size > 0;
        let mut last = LastLevel::of(if third_exists { self.level3_cache.size } else { core });
        if !self.cpuid.has(Feature::HTT) {
            return last;
        }
        let mut sharing = None;
        if self.max_cpuid >= 4 {
            sharing = self.count_sharers(cpu, third_exists);
        }
        let Some(sharing) = sharing else {
            last.divide(logical_processors(cpu));
            return last;
        };
        let mut threads = if third_exists { sharing.third } else { sharing.second };
        let silvermont = matches!(self.model, 0x37 | 0x4a | 0x4d | 0x5a | 0x5d);
        if !third_exists && self.kind == Kind::Intel && self.family == 6 && silvermont {
            // Two cores share each second-level cache, whatever the leaf says.
            threads = threads.min(2);
        }
        last.divide(threads);
        if !sharing.inclusive {
            last.add(core, core / sharing.second.max(1));
        }
        last
    }

    /// The threads that share the second- and third-level caches; `None` if leaf 4 ends before it has told.
    fn count_sharers(&self, cpu: &mut Cpu<'_>, third_exists: bool) -> Option<Sharing> {
        // Highest sharer number, as leaf 4 has it; 0 is "not shared".
        let (mut second, mut third) = (None, None);
        let mut inclusive = true;
        for index in 0..CACHES {
            let cache = cpu.leaf(4, index);
            if cache.eax & 0x1f == 0 {
                return None;
            }
            let last_sharer = cache.eax >> 14 & 0x3ff;
            match cache.eax >> 5 & 7 {
                2 if second.is_none() => second = Some(last_sharer),
                3 if third_exists && third.is_none() => {
                    third = Some(last_sharer);
                    inclusive = cache.edx & 2 != 0;
                }
                _ => {}
            }
            if second.is_some() && (third.is_some() || !third_exists) {
                break;
            }
        }
        let (mut second, mut third) = (second?, third.unwrap_or(0));
        // Leaf 4 counts numbers that could exist; leaf 11 counts what does, except on older Zhaoxin.
        let older_zhaoxin = self.kind == Kind::Zhaoxin && self.family == 6;
        if self.max_cpuid >= 11 && !older_zhaoxin {
            if third_exists {
                // The threads of a core matter only where the second level is added to the third.
                if second > 0 && !inclusive {
                    second = topology(cpu, Domain::Core).map_or(second, |threads| within(second, threads));
                }
                if third > 0 {
                    third = topology(cpu, Domain::Package).map_or(third, |threads| within(third, threads));
                }
            } else if second > 0 {
                second = topology(cpu, Domain::Package).map_or(second, |threads| within(second, threads));
            }
        }
        let count = |last: u32| match last {
            0 => 0,
            last => i64::from(last) + 1,
        };
        Some(Sharing {
            second: count(second),
            third: count(third),
            inclusive,
        })
    }

    fn set_thresholds(&mut self, shared: LastLevel, tunables: &Tunables<'_>, rules: CacheRules) {
        /// libc's loops need this much to work.
        const LEAST_NON_TEMPORAL: u64 = 0x4040;
        /// libc multiplies the value by 16.
        const MOST_NON_TEMPORAL: u64 = u64::MAX >> 4;

        self.data_cache_size = self.level1_dcache.size;
        self.shared_cache_size = shared.total;
        // Without fast `rep movsb` ordinary stores fill the cache, so that a thread must keep to its share; with it,
        // the share is only the lower bound, for processors that do not tell what they have.
        let mut non_temporal = shared.per_thread.saturating_mul(3) / 4;
        if self.active.has(Feature::ERMS) {
            non_temporal = non_temporal.max(shared.total / 4);
        }
        let mut non_temporal = non_temporal
            .cast_unsigned()
            .clamp(LEAST_NON_TEMPORAL, MOST_NON_TEMPORAL);
        let vector = if self.active.has(Feature::AVX512F) && !self.preferred.has(Preferred::PreferNoAvx512) {
            64
        } else if self.preferred.has(Preferred::AvxFastUnalignedLoad) {
            32
        } else {
            16
        };
        let mut rep_movsb = match vector {
            _ if self.active.has(Feature::FSRM) => 2112,
            16 => 2048,
            wide => wide / 16 * 4096,
        };

        if rules == CacheRules::Libcs {
            (self.data_cache_size, self.shared_cache_size, non_temporal) = (0, 0, 0);
            // The default of the tunable in 2.32; 2.31 has no such member.
            rep_movsb = 2048;
        }
        let tuned = |name| tunables.number(name);
        if let Some(size) = tuned(const { Word::new("cpu.x86_data_cache_size") }).filter(|&size| size != 0) {
            self.data_cache_size = size.cast_signed();
        }
        if let Some(size) = tuned(const { Word::new("cpu.x86_shared_cache_size") }).filter(|&size| size != 0) {
            self.shared_cache_size = size.cast_signed();
        }
        if let Some(size) = tuned(const { Word::new("cpu.x86_non_temporal_threshold") })
            .filter(|&size| size > LEAST_NON_TEMPORAL && size <= MOST_NON_TEMPORAL)
        {
            non_temporal = size;
        }
        let without_rep = rules == CacheRules::Complex && self.kind == Kind::Amd;
        if without_rep {
            rep_movsb = non_temporal;
        }
        if let Some(size) = tuned(const { Word::new("cpu.x86_rep_movsb_threshold") }).filter(|&size| size > vector * 8)
        {
            rep_movsb = size;
        }
        self.non_temporal_threshold = non_temporal;
        self.rep_movsb_threshold = rep_movsb;
        self.rep_movsb_stop_threshold = match self.kind {
            Kind::Amd if !without_rep => self.level2_cache.size.cast_unsigned(),
            _ => non_temporal,
        };
        let rep_stosb = if without_rep { u64::MAX } else { 2048 };
        self.rep_stosb_threshold = tuned(const { Word::new("cpu.x86_rep_stosb_threshold") }).unwrap_or(rep_stosb);
        let avoided =
            self.preferred.has(Preferred::AvoidNonTemporalMemset) || !matches!(self.kind, Kind::Intel | Kind::Amd);
        self.memset_non_temporal_threshold = tuned(const { Word::new("cpu.x86_memset_non_temporal_threshold") })
            .unwrap_or(if avoided { u64::MAX } else { non_temporal });
    }

    /// Applies the tunable glibc.cpu.hwcaps: a comma list of names, `-` in front to switch off. It comes after
    /// everything that was derived from the features, so thresholds and `isa_1` stay.
    fn apply_hwcaps(&mut self, text: &[u8]) {
        for word in text.split(|&byte| byte == b',') {
            let (on, name) = match word {
                [b'-', name @ ..] => (false, name),
                name => (true, name),
            };
            if let Some(&(preferred, needed)) = place(ADJUSTABLE_NAMES, name).and_then(|place| ADJUSTABLE.get(place)) {
                if !on || needed.is_none_or(|needed| self.active.has(needed)) {
                    self.preferred.set(preferred, on);
                }
            } else if !on {
                match name {
                    b"I586" => self.preferred.set(Preferred::I586, false),
                    b"I686" => self.preferred.set(Preferred::I686, false),
                    name => {
                        if let Some(feature) = place(REMOVABLE_NAMES, name).and_then(|place| REMOVABLE.get(place)) {
                            self.active.remove(*feature);
                        }
                    }
                }
            }
        }
    }

    /// Takes back what needs saved registers when neither XSAVE nor XSAVEC is usable (any more).
    fn drop_state_without_xsave(&mut self) {
        if !self.active.has(Feature::OSXSAVE) {
            self.active.remove(Feature::XSAVE);
            self.active.remove_all(WITH_XSAVE);
        }
        if !self.active.has(Feature::XSAVE) && !self.active.has(Feature::XSAVEC) {
            self.xsave_state_size = 0;
            self.active.remove_all(WITH_YMM);
            self.active.remove_all(WITH_ZMM);
            self.active.remove_all(WITH_TILES);
            self.active.remove(Feature::FMA4);
        }
    }
}

/// Features that glibc.cpu.hwcaps can switch off, with [`REMOVABLE_NAMES`] in the same order.
const REMOVABLE: &[Feature] = &[
    Feature::AVX,
    Feature::CX8,
    Feature::FMA,
    Feature::HTT,
    Feature::RTM,
    Feature::AVX2,
    Feature::BMI1,
    Feature::BMI2,
    Feature::CMOV,
    Feature::ERMS,
    Feature::FMA4,
    Feature::SSE2,
    Feature::LZCNT,
    Feature::MOVBE,
    Feature::SSSE3,
    Feature::XSAVE,
    Feature::POPCNT,
    Feature::SSE4_1,
    Feature::SSE4_2,
    Feature::XSAVEC,
    Feature::AVX512F,
    Feature::OSXSAVE,
    Feature::AVX512CD,
    Feature::AVX512BW,
    Feature::AVX512DQ,
    Feature::AVX512ER,
    Feature::AVX512PF,
    Feature::AVX512VL,
];

const REMOVABLE_NAMES: &str = "\
    AVX\n\
    CX8\n\
    FMA\n\
    HTT\n\
    RTM\n\
    AVX2\n\
    BMI1\n\
    BMI2\n\
    CMOV\n\
    ERMS\n\
    FMA4\n\
    SSE2\n\
    LZCNT\n\
    MOVBE\n\
    SSSE3\n\
    XSAVE\n\
    POPCNT\n\
    SSE4_1\n\
    SSE4_2\n\
    XSAVEC\n\
    AVX512F\n\
    OSXSAVE\n\
    AVX512CD\n\
    AVX512BW\n\
    AVX512DQ\n\
    AVX512ER\n\
    AVX512PF\n\
    AVX512VL";

/// Preferences that glibc.cpu.hwcaps can switch off, and on if a usable feature gives them a meaning; with
/// [`ADJUSTABLE_NAMES`] in the same order.
const ADJUSTABLE: &[(Preferred, Option<Feature>)] = &[
    (Preferred::SlowBsf, None),
    (Preferred::PreferErms, None),
    (Preferred::PreferFsrm, None),
    (Preferred::SlowSse42, Some(Feature::SSE4_2)),
    (Preferred::FastRepString, None),
    (Preferred::PreferNoAvx512, Some(Feature::AVX512F)),
    (Preferred::FastCopyBackward, None),
    (Preferred::FastUnalignedLoad, None),
    (Preferred::FastUnalignedCopy, None),
    (Preferred::PreferNoVzeroupper, Some(Feature::AVX)),
    (Preferred::AvxFastUnalignedLoad, Some(Feature::AVX)),
    (Preferred::MathvecPreferNoAvx512, Some(Feature::AVX512F)),
    (Preferred::PreferPminubForStringop, Some(Feature::SSE2)),
];

const ADJUSTABLE_NAMES: &str = "\
    Slow_BSF\n\
    Prefer_ERMS\n\
    Prefer_FSRM\n\
    Slow_SSE4_2\n\
    Fast_Rep_String\n\
    Prefer_No_AVX512\n\
    Fast_Copy_Backward\n\
    Fast_Unaligned_Load\n\
    Fast_Unaligned_Copy\n\
    Prefer_No_VZEROUPPER\n\
    AVX_Fast_Unaligned_Load\n\
    MathVec_Prefer_No_AVX512\n\
    Prefer_PMINUB_for_stringop";

/// Which of `names`, a text of one name a line, is `name`.
fn place(names: &str, name: &[u8]) -> Option<usize> {
    names
        .as_bytes()
        .split(|byte| *byte == b'\n')
        .position(|known| known == name)
}

/// The cache behind which there is only memory, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct LastLevel {
    total: i64,
    per_thread: i64,
}

impl LastLevel {
    fn of(size: i64) -> Self {
        Self {
            total: size,
            per_thread: size,
        }
    }

    /// Shares the cache among `threads`; 0 is "unknown".
    fn divide(&mut self, threads: i64) {
        if self.per_thread > 0 && threads > 0 {
            self.per_thread /= threads;
        }
    }

    fn add(&mut self, total: i64, per_thread: i64) {
        self.total = self.total.saturating_add(total);
        self.per_thread = self.per_thread.saturating_add(per_thread);
    }
}

/// Threads that share a cache; 0 where leaf 4 says "not shared".
struct Sharing {
    second: i64,
    third: i64,
    inclusive: bool,
}

/// The caches that `sysconf` knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Instruction,
    Data,
    Second,
    Third,
    Fourth,
}

/// More sub-leaves of leaf 4 than any processor has; bounds the walk on one that never ends it.
const CACHES: u32 = 16;

/// What a leaf 11 sub-leaf counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Domain {
    /// The threads of a core.
    Core,
    /// The threads of a package.
    Package,
}

/// Logical processors of the package, by leaf 1.
fn logical_processors(cpu: &Cpu<'_>) -> i64 {
    i64::from(cpu.known(1, 0).ebx >> 16 & 0xff)
}

/// Highest sharer number in use, where numbers up to `last` are possible and `threads` threads exist.
fn within(last: u32, threads: u32) -> u32 {
    let possible = u32::MAX.checked_shr(last.leading_zeros()).unwrap_or(0);
    threads.saturating_sub(1) & possible
}

/// Number of threads in a domain, by leaf 11. The usual place of the domain is asked first.
fn topology(cpu: &mut Cpu<'_>, domain: Domain) -> Option<u32> {
    let (first, wanted) = match domain {
        Domain::Core => (0, 1),
        Domain::Package => (1, 2),
    };
    for subleaf in [first, 1 - first] {
        let level = cpu.leaf(11, subleaf);
        let threads = level.ebx & 0xff;
        if level.ecx >> 8 & 0xff == wanted && threads != 0 {
            return Some(threads);
        }
    }
    None
}

/// A cache by leaf 4, which lists them with all parameters.
fn deterministic_cache(cpu: &mut Cpu<'_>, level: Level) -> Option<Cache> {
    for index in 0..CACHES {
        let cache = cpu.leaf(4, index);
        let kind = cache.eax & 0x1f;
        let found = match (cache.eax >> 5 & 7, kind) {
            (_, 0) => return None,
            (1, 1) => level == Level::Data,
            (1, 2) => level == Level::Instruction,
            (2, _) => level == Level::Second,
            (3, _) => level == Level::Third,
            (4, _) => level == Level::Fourth,
            _ => false,
        };
        if found {
            let ways = i64::from(cache.ebx >> 22) + 1;
            let partitions = i64::from(cache.ebx >> 12 & 0x3ff) + 1;
            let linesize = i64::from(cache.ebx & 0xfff) + 1;
            let sets = i64::from(cache.ecx) + 1;
            return Some(Cache {
                // The first three have 32 bits together.
                size: (ways * partitions * linesize).saturating_mul(sets),
                assoc: ways,
                linesize,
            });
        }
    }
    None
}

/// A cache of an Intel processor by leaf 2: a list of one-byte codes, one of which refers to leaf 4.
fn intel_cache(cpu: &mut Cpu<'_>, level: Level, model: (u32, u32)) -> Cache {
    let codes = cpu.leaf(2, 0);
    let mut no_outer_level = false;
    // The lowest byte of eax is a count.
    for word in [codes.eax & !0xff, codes.ebx, codes.ecx, codes.edx] {
        if word >> 31 == 1 {
            // The register holds no codes.
            continue;
        }
        let mut rest = word;
        while rest != 0 {
            let code = rest.to_le_bytes()[0];
            rest >>= 8;
            match code {
                0x40 => {
                    no_outer_level = true;
                    if level == Level::Third {
                        break;
                    }
                }
                0xff => {
                    return deterministic_cache(cpu, level).unwrap_or(Cache::UNKNOWN);
                }
                _ => {
                    let place = INTEL_CODES.binary_search_by_key(&code, |known| known.0);
                    if let Some(&(_, listed, kib, ways, linesize)) = place.ok().and_then(|place| INTEL_CODES.get(place))
                    {
                        // On one model this code is a third-level cache.
                        let listed = match (code, model) {
                            (0x49, (15, 6)) if level == Level::Third => Level::Third,
                            _ => listed,
                        };
                        if listed == level {
                            return Cache {
                                size: i64::from(kib) << 10,
                                assoc: i64::from(ways),
                                linesize: i64::from(linesize),
                            };
                        }
                    }
                }
            }
        }
    }
    if no_outer_level && matches!(level, Level::Second | Level::Third) {
        Cache::UNKNOWN
    } else {
        Cache::NONE
    }
}

/// Codes of leaf 2 that describe caches (Intel SDM, table "Encoding of CPUID Leaf 2 Descriptors"): code, cache, KiB,
/// ways, bytes of a line; ascending by code.
#[rustfmt::skip]
const INTEL_CODES: &[(u8, Level, u16, u8, u8)] = {
    use Level::{Data, Instruction, Second, Third};
    &[
        (0x06, Instruction, 8, 4, 32), (0x08, Instruction, 16, 4, 32), (0x09, Instruction, 32, 4, 32),
        (0x0a, Data, 8, 2, 32), (0x0c, Data, 16, 4, 32), (0x0d, Data, 16, 4, 64), (0x0e, Data, 24, 6, 64),
        (0x21, Second, 256, 8, 64), (0x22, Third, 512, 4, 64), (0x23, Third, 1024, 8, 64),
        (0x25, Third, 2048, 8, 64), (0x29, Third, 4096, 8, 64), (0x2c, Data, 32, 8, 64),
        (0x30, Instruction, 32, 8, 64), (0x39, Second, 128, 4, 64), (0x3a, Second, 192, 6, 64),
        (0x3b, Second, 128, 2, 64), (0x3c, Second, 256, 4, 64), (0x3d, Second, 384, 6, 64),
        (0x3e, Second, 512, 4, 64), (0x3f, Second, 256, 2, 64), (0x41, Second, 128, 4, 32),
        (0x42, Second, 256, 4, 32), (0x43, Second, 512, 4, 32), (0x44, Second, 1024, 4, 32),
        (0x45, Second, 2048, 4, 32), (0x46, Third, 4096, 4, 64), (0x47, Third, 8192, 8, 64),
        (0x48, Second, 3072, 12, 64), (0x49, Second, 4096, 16, 64), (0x4a, Third, 6144, 12, 64),
        (0x4b, Third, 8192, 16, 64), (0x4c, Third, 12288, 12, 64), (0x4d, Third, 16384, 16, 64),
        (0x4e, Second, 6144, 24, 64), (0x60, Data, 16, 8, 64), (0x66, Data, 8, 4, 64),
        (0x67, Data, 16, 4, 64), (0x68, Data, 32, 4, 64), (0x78, Second, 1024, 8, 64),
        (0x79, Second, 128, 8, 64), (0x7a, Second, 256, 8, 64), (0x7b, Second, 512, 8, 64),
        (0x7c, Second, 1024, 8, 64), (0x7d, Second, 2048, 8, 64), (0x7f, Second, 512, 2, 64),
        (0x80, Second, 512, 8, 64), (0x82, Second, 256, 8, 32), (0x83, Second, 512, 8, 32),
        (0x84, Second, 1024, 8, 32), (0x85, Second, 2048, 8, 32), (0x86, Second, 512, 4, 64),
        (0x87, Second, 1024, 8, 64), (0xd0, Third, 512, 4, 64), (0xd1, Third, 1024, 4, 64),
        (0xd2, Third, 2048, 4, 64), (0xd6, Third, 1024, 8, 64), (0xd7, Third, 2048, 8, 64),
        (0xd8, Third, 4096, 8, 64), (0xdc, Third, 2048, 12, 64), (0xdd, Third, 4096, 12, 64),
        (0xde, Third, 8192, 12, 64), (0xe2, Third, 2048, 16, 64), (0xe3, Third, 4096, 16, 64),
        (0xe4, Third, 8192, 16, 64), (0xea, Third, 12288, 24, 64), (0xeb, Third, 18432, 24, 64),
        (0xec, Third, 24576, 24, 64),
    ]
};

/// A first-level cache by a register of AMD's leaf 0x80000005.
fn amd_first_level(register: u32) -> Cache {
    let size = i64::from(register >> 24) << 10;
    Cache {
        size,
        assoc: match register >> 16 & 0xff {
            // Fully associative; glibc puts the size here.
            0xff => size,
            ways => i64::from(ways),
        },
        linesize: i64::from(register & 0xff),
    }
}

/// An outer cache of `size` bytes by a register of AMD's leaf 0x80000006.
fn amd_outer_level(register: u32, size: i64) -> Cache {
    let code = register >> 12 & 0xf;
    let linesize = i64::from(register & 0xff);
    if code == 0 {
        return Cache::NONE;
    }
    let assoc = match code {
        1 | 2 | 4 => i64::from(code),
        6 => 8,
        8 => 16,
        10 => 32,
        11 => 48,
        12 => 64,
        13 => 96,
        14 => 128,
        15 => size.checked_div(linesize).unwrap_or(0),
        _ => 0,
    };
    Cache { size, assoc, linesize }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::glibc::layout::{Picked, PreferredBits, Tunable, TunableKind};
    use crate::cpuid::recorded::{CORE2, EPYC, SKYLAKE_SERVER, Table};
    use alloc::vec::Vec;

    const fn row(name: &str, kind: TunableKind) -> Tunable {
        Tunable::new(name, kind, (0, u64::MAX), 0)
    }

    const ROWS: Picked<Tunable> = Picked {
        pool: ALL,
        picks: &[0, 1, 2, 3, 4, 5],
    };

    const ALL: &[Tunable] = &[
        row("cpu.hwcaps", TunableKind::String),
        row("cpu.x86_data_cache_size", TunableKind::SizeT),
        row("cpu.x86_shared_cache_size", TunableKind::SizeT),
        row("cpu.x86_non_temporal_threshold", TunableKind::SizeT),
        row("cpu.x86_rep_movsb_threshold", TunableKind::SizeT),
        row("cpu.x86_rep_stosb_threshold", TunableKind::SizeT),
    ];

    /// Bit numbers of 2.36.
    const BITS: PreferredBits = PreferredBits {
        fast_rep_string: Some(0),
        fast_copy_backward: Some(1),
        slow_bsf: Some(2),
        fast_unaligned_load: Some(3),
        prefer_pminub_for_stringop: Some(4),
        fast_unaligned_copy: Some(5),
        i586: Some(6),
        i686: Some(7),
        slow_sse4_2: Some(8),
        avx_fast_unaligned_load: Some(9),
        prefer_map_32bit_exec: None,
        prefer_no_vzeroupper: Some(10),
        prefer_erms: Some(11),
        prefer_no_avx512: Some(12),
        mathvec_prefer_no_avx512: Some(13),
        prefer_fsrm: Some(14),
        avoid_short_distance_rep_movsb: Some(15),
        avoid_non_temporal_memset: None,
        avoid_stosb: None,
    };

    fn compute_with(table: &Table, setting: &'static str) -> (CpuFacts, Vec<(u32, u32)>) {
        compute_by(table, setting, CacheRules::Plain)
    }

    fn compute_by(table: &Table, setting: &'static str, rules: CacheRules) -> (CpuFacts, Vec<(u32, u32)>) {
        let tunables = Tunables::from_environment(ROWS, core::iter::once(setting.as_bytes()), false);
        table.run(|cpu| CpuFacts::compute(cpu, &tunables, rules))
    }

    fn compute(table: &Table) -> CpuFacts {
        compute_with(table, "").0
    }

    const fn cache(size: i64, assoc: i64, linesize: i64) -> Cache {
        Cache { size, assoc, linesize }
    }

    /// The values that a debugger shows in a process started by glibc 2.36's loader on the recorded machine.
    #[test]
    fn every_word_of_hwcaps_has_its_name() {
        assert_eq!(REMOVABLE_NAMES.lines().count(), REMOVABLE.len());
        assert_eq!(ADJUSTABLE_NAMES.lines().count(), ADJUSTABLE.len());
        assert_eq!(
            REMOVABLE[place(REMOVABLE_NAMES, b"AVX512VL").unwrap()],
            Feature::AVX512VL
        );
        let last = (Preferred::PreferPminubForStringop, Some(Feature::SSE2));
        assert_eq!(
            ADJUSTABLE[place(ADJUSTABLE_NAMES, b"Prefer_PMINUB_for_stringop").unwrap()],
            last
        );
    }

    #[test]
    fn an_epyc_gets_what_glibc_fills_in() {
        let facts = compute(&EPYC);
        assert_eq!(facts.kind, Kind::Amd);
        assert_eq!(facts.max_cpuid, 0x1c);
        assert_eq!((facts.family, facts.model, facts.stepping), (0x19, 0x11, 1));
        let active = |leaf, subleaf| facts.active.registers(leaf, subleaf);
        assert_eq!(active(1, 0), [0, 0, 0x7ed8_3203, 0x1788_8110]);
        assert_eq!(active(7, 0), [0, 0xf1af_0328, 0x0040_5f42, 0x10]);
        assert_eq!(active(0x8000_0001, 0), [0, 0, 0x161, 0x0800_0000]);
        assert_eq!(active(0xd, 1), [7, 0, 0, 0]);
        assert_eq!(active(0x8000_0007, 0), [0; 4]);
        assert_eq!(active(0x8000_0008, 0), [0; 4]);
        assert_eq!(active(7, 1), [0x20, 0, 0, 0]);
        assert_eq!(facts.cpuid.registers(0x8000_0007, 0), [0, 0, 0, 0x100]);
        assert_eq!(facts.cpuid.registers(0x19, 0), [0; 4]);
        assert_eq!(facts.preferred.word(&BITS.numbers()), 0x2c0);
        assert_eq!(facts.isa_1, 0xf);
        assert_eq!(facts.xsave_state_size, 0x9c0);
        assert_eq!(facts.xsave_state_full_size, 0x9c0);
        assert_eq!(facts.data_cache_size, 0x8000);
        assert_eq!(facts.shared_cache_size, 0x1400_0000);
        assert_eq!(facts.non_temporal_threshold, 0x0f00_0000);
        assert_eq!(facts.rep_movsb_threshold, 0x840);
        assert_eq!(facts.rep_movsb_stop_threshold, 0x10_0000);
        assert_eq!(facts.rep_stosb_threshold, 0x800);
        assert_eq!(facts.level1_icache, cache(0x8000, 8, 64));
        assert_eq!(facts.level1_dcache, cache(0x8000, 8, 64));
        assert_eq!(facts.level2_cache, cache(0x10_0000, 8, 64));
        assert_eq!(facts.level3_cache, cache(0x1400_0000, 0, 64));
        assert_eq!(facts.level4_cache_size, -1);
        assert_eq!(facts.hwcap(), 2);
        assert_eq!(facts.platform, None);
    }

    /// The values that glibc 2.36's loader computed when a debugger answered its CPUID instructions from the table.
    /// The values that a debugger shows in a process started by glibc 2.41's loader on the recorded machine.
    #[test]
    fn a_later_glibc_gives_an_epyc_the_cache_of_a_complex() {
        let facts = compute_by(&EPYC, "", CacheRules::Complex).0;
        assert_eq!(facts.level3_cache, cache(0x200_0000, 16, 64));
        assert_eq!(facts.level4_cache_size, 0);
        assert_eq!(facts.shared_cache_size, 0x200_0000);
        for threshold in [
            facts.non_temporal_threshold,
            facts.memset_non_temporal_threshold,
            facts.rep_movsb_threshold,
            facts.rep_movsb_stop_threshold,
        ] {
            assert_eq!(threshold, 0x180_0000);
        }
        assert_eq!(facts.rep_stosb_threshold, u64::MAX);
    }

    #[test]
    fn a_glibc_that_measures_caches_itself_is_told_of_tunables_only() {
        let sizes = |facts: CpuFacts| {
            (
                facts.data_cache_size,
                facts.shared_cache_size,
                facts.non_temporal_threshold,
            )
        };
        assert_eq!(sizes(compute_by(&EPYC, "", CacheRules::Libcs).0), (0, 0, 0));
        let setting = "GLIBC_TUNABLES=glibc.cpu.x86_data_cache_size=70000";
        assert_eq!(sizes(compute_by(&EPYC, setting, CacheRules::Libcs).0), (70000, 0, 0));
        // 2.32 has these as its tunables have them.
        let facts = compute_by(&SKYLAKE_SERVER, "", CacheRules::Libcs).0;
        assert_eq!((facts.rep_movsb_threshold, facts.rep_stosb_threshold), (2048, 2048));
        let setting = "GLIBC_TUNABLES=glibc.cpu.x86_rep_movsb_threshold=9000";
        let facts = compute_by(&SKYLAKE_SERVER, setting, CacheRules::Libcs).0;
        assert_eq!(facts.rep_movsb_threshold, 9000);
    }

    #[test]
    fn a_skylake_server_gets_what_glibc_fills_in() {
        let facts = compute(&SKYLAKE_SERVER);
        assert_eq!(facts.kind, Kind::Intel);
        assert_eq!(facts.preferred.word(&BITS.numbers()), 0x12f9);
        assert!(!facts.active.has(Feature::RTM) && !facts.active.has(Feature::HLE));
        assert!(facts.active.has(Feature::RTM_ALWAYS_ABORT));
        assert_eq!(facts.isa_1, 0xf);
        assert_eq!(facts.data_cache_size, 0x8000);
        assert_eq!(facts.shared_cache_size, 0x144_0000);
        assert_eq!(facts.non_temporal_threshold, 0x51_0000);
        assert_eq!(facts.rep_movsb_threshold, 0x2000);
        assert_eq!(facts.rep_movsb_stop_threshold, 0x51_0000);
        assert_eq!(facts.level2_cache, cache(0x10_0000, 16, 64));
        assert_eq!(facts.level3_cache, cache(0x134_0000, 11, 64));
        assert_eq!(facts.level4_cache_size, -1);
        assert_eq!(facts.hwcap(), 6);
        assert_eq!(facts.platform, Some("haswell"));
    }

    /// As above.
    #[test]
    fn a_core_2_gets_what_glibc_fills_in() {
        let facts = compute(&CORE2);
        assert_eq!(facts.preferred.word(&BITS.numbers()), 0x10c0);
        assert_eq!(facts.isa_1, 1);
        assert_eq!(facts.xsave_state_size, 0);
        assert_eq!(facts.data_cache_size, 0x8000);
        assert_eq!(facts.shared_cache_size, 0x40_0000);
        assert_eq!(facts.non_temporal_threshold, 0x18_0000);
        assert_eq!(facts.rep_movsb_threshold, 0x800);
        assert_eq!(facts.level1_icache, cache(0x8000, 8, 64));
        assert_eq!(facts.level2_cache, cache(0x40_0000, 16, 64));
        assert_eq!(facts.level3_cache, cache(0, 0, 0));
        assert_eq!(facts.level4_cache_size, 0);
        assert_eq!(facts.platform, None);
    }

    #[test]
    fn a_start_asks_no_leaf_twice_and_at_most_sixteen() {
        for (table, expected) in [(EPYC, 11), (SKYLAKE_SERVER, 16), (CORE2, 10)] {
            let (_, asked) = compute_with(&table, "");
            let mut once = asked.clone();
            once.sort_unstable();
            once.dedup();
            assert_eq!(once.len(), asked.len());
            assert_eq!(asked.len(), expected);
        }
    }

    #[test]
    fn an_unknown_vendor_gets_the_baseline() {
        let mut leaves = EPYC.leaves.to_vec();
        leaves[0].2[1] = 0;
        let table = Table {
            leaves: leaves.leak(),
            xcr0: EPYC.xcr0,
        };
        let facts = compute(&table);
        assert_eq!((facts.kind, facts.family), (Kind::Other, 0));
        assert_eq!(facts.active.registers(1, 0), [0; 4]);
        assert_eq!(facts.shared_cache_size, -1);
        assert_eq!(facts.non_temporal_threshold, 0x4040);
    }

    #[test]
    fn hwcaps_switch_features_off_but_not_what_follows_from_them() {
        let (facts, _) = compute_with(
            &EPYC,
            "GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX2,-ERMS,-AVX2_Usable,-SSE3,-FSRM,AVX",
        );
        assert_eq!(facts.active.registers(7, 0), [0, 0xf1af_0108, 0x0040_5f42, 0x10]);
        assert_eq!(facts.isa_1, 0xf);
        assert_eq!(facts.preferred.word(&BITS.numbers()), 0x2c0);
    }

    #[test]
    fn hwcaps_switch_preferences_only_where_they_mean_something() {
        let word = |setting| compute_with(&EPYC, setting).0.preferred.word(&BITS.numbers());
        assert_eq!(
            word("GLIBC_TUNABLES=glibc.cpu.hwcaps=Prefer_ERMS,Prefer_FSRM,Slow_BSF,-I586"),
            0x4a84
        );
        assert_eq!(
            word(
                "GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX,Prefer_No_VZEROUPPER,-AVX512F,Prefer_No_AVX512,-SSE4_2,Slow_SSE4_2,-I586,I586"
            ),
            0x280
        );
        assert_eq!(
            word("GLIBC_TUNABLES=glibc.cpu.hwcaps=prefer_erms, Prefer_ERMS,,Prefer_ERMSx,-"),
            0x2c0
        );
    }

    #[test]
    fn vector_features_go_with_the_instructions_that_save_them() {
        for setting in [
            "GLIBC_TUNABLES=glibc.cpu.hwcaps=-OSXSAVE",
            "GLIBC_TUNABLES=glibc.cpu.hwcaps=-XSAVE,-XSAVEC",
        ] {
            let (facts, _) = compute_with(&EPYC, setting);
            assert_eq!(facts.xsave_state_size, 0);
            assert!(!facts.active.has(Feature::AVX) && !facts.active.has(Feature::AVX512F));
        }
        let (facts, _) = compute_with(&EPYC, "GLIBC_TUNABLES=glibc.cpu.hwcaps=-XSAVE");
        assert!(facts.active.has(Feature::AVX));
    }

    #[test]
    fn sizes_from_tunables_replace_computed_ones_within_bounds() {
        let (facts, _) = compute_with(
            &EPYC,
            "GLIBC_TUNABLES=glibc.cpu.x86_rep_movsb_threshold=513:glibc.cpu.x86_data_cache_size=70000:glibc.cpu.x86_shared_cache_size=999999:glibc.cpu.x86_non_temporal_threshold=0x5000:glibc.cpu.x86_rep_stosb_threshold=77",
        );
        assert_eq!(facts.rep_movsb_threshold, 513);
        assert_eq!(facts.data_cache_size, 70000);
        assert_eq!(facts.shared_cache_size, 999_999);
        assert_eq!(facts.non_temporal_threshold, 0x5000);
        assert_eq!(facts.rep_stosb_threshold, 77);
        assert_eq!(facts.level3_cache.size, 0x1400_0000);
        let (facts, _) = compute_with(
            &EPYC,
            "GLIBC_TUNABLES=glibc.cpu.x86_rep_movsb_threshold=512:glibc.cpu.x86_non_temporal_threshold=0x4040:glibc.cpu.x86_data_cache_size=0",
        );
        assert_eq!(facts.rep_movsb_threshold, 0x840);
        assert_eq!(facts.non_temporal_threshold, 0x0f00_0000);
        assert_eq!(facts.data_cache_size, 0x8000);
    }
}
