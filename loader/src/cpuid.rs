//! What the processor is and what a program may use of it, from as few CPUID instructions as possible.
//!
//! CPUID traps in a virtual machine and costs microseconds there, so a [`Cpu`] asks each leaf at most once and
//! only when somebody needs it. The instruction itself is a function that it is made with: this module is
//! arithmetic over recorded registers. Leaf contents are from the Intel SDM (volume 2, CPUID) and the AMD APM
//! (volume 3, appendix E).

#![forbid(unsafe_code)]

use crate::elf::note::LevelFeatures;

/// The four registers that CPUID returns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Registers {
    /// eax.
    pub eax: u32,
    /// ebx.
    pub ebx: u32,
    /// ecx.
    pub ecx: u32,
    /// edx.
    pub edx: u32,
}

/// Executes CPUID with the given leaf (eax) and sub-leaf (ecx).
pub type Cpuid<'a> = &'a mut dyn FnMut(u32, u32) -> Registers;

/// Who made the processor, by the vendor text of leaf 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vendor {
    /// `GenuineIntel`.
    Intel,
    /// `AuthenticAMD`.
    Amd,
    /// `HygonGenuine`, a licensed AMD design.
    Hygon,
    /// `CentaurHauls` or `  Shanghai  `.
    Zhaoxin,
    /// Any other text.
    Other,
}

/// The leaves that report features, in the order in which a [`FeatureSet`] keeps them.
pub const FEATURE_LEAVES: [(u32, u32); 9] = [
    (1, 0),
    (7, 0),
    (0x8000_0001, 0),
    (0xd, 1),
    (0x8000_0007, 0),
    (0x8000_0008, 0),
    (7, 1),
    (0x19, 0),
    (0x14, 0),
];

/// One feature bit, by its distance from the first bit of a [`FeatureSet`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Feature(u16);

/// Declares features as `NAME = leaf index, register (0 = eax), bit`.
macro_rules! features {
    ($( $name:ident = $leaf:literal, $register:literal, $bit:literal; )*) => {
        impl Feature {
            $(
                #[doc = concat!("The feature that the manuals call ", stringify!($name), ".")]
                pub const $name: Self = Self(($leaf * 4 + $register) * 32 + $bit);
            )*
        }
    };
}

features! {
    SSE3 = 0, 2, 0; PCLMULQDQ = 0, 2, 1; SSSE3 = 0, 2, 9; FMA = 0, 2, 12; CMPXCHG16B = 0, 2, 13;
    SSE4_1 = 0, 2, 19; SSE4_2 = 0, 2, 20; MOVBE = 0, 2, 22; POPCNT = 0, 2, 23; AES = 0, 2, 25;
    XSAVE = 0, 2, 26; OSXSAVE = 0, 2, 27; AVX = 0, 2, 28; F16C = 0, 2, 29; RDRAND = 0, 2, 30;
    TSC = 0, 3, 4; CX8 = 0, 3, 8; CMOV = 0, 3, 15; CLFSH = 0, 3, 19; MMX = 0, 3, 23; FXSR = 0, 3, 24;
    SSE = 0, 3, 25; SSE2 = 0, 3, 26; HTT = 0, 3, 28;
    FSGSBASE = 1, 1, 0; BMI1 = 1, 1, 3; HLE = 1, 1, 4; AVX2 = 1, 1, 5; BMI2 = 1, 1, 8; ERMS = 1, 1, 9; RTM = 1, 1, 11;
    AVX512F = 1, 1, 16; AVX512DQ = 1, 1, 17; RDSEED = 1, 1, 18; ADX = 1, 1, 19; AVX512_IFMA = 1, 1, 21;
    CLFLUSHOPT = 1, 1, 23; CLWB = 1, 1, 24; TRACE = 1, 1, 25; AVX512PF = 1, 1, 26; AVX512ER = 1, 1, 27;
    AVX512CD = 1, 1, 28; SHA = 1, 1, 29; AVX512BW = 1, 1, 30; AVX512VL = 1, 1, 31;
    PREFETCHWT1 = 1, 2, 0; AVX512_VBMI = 1, 2, 1; PKU = 1, 2, 3; OSPKE = 1, 2, 4; WAITPKG = 1, 2, 5;
    AVX512_VBMI2 = 1, 2, 6; GFNI = 1, 2, 8; VAES = 1, 2, 9; VPCLMULQDQ = 1, 2, 10; AVX512_VNNI = 1, 2, 11;
    AVX512_BITALG = 1, 2, 12; AVX512_VPOPCNTDQ = 1, 2, 14; RDPID = 1, 2, 22; KL = 1, 2, 23;
    CLDEMOTE = 1, 2, 25; MOVDIRI = 1, 2, 27; MOVDIR64B = 1, 2, 28;
    AVX512_4VNNIW = 1, 3, 2; AVX512_4FMAPS = 1, 3, 3; FSRM = 1, 3, 4; AVX512_VP2INTERSECT = 1, 3, 8;
    RTM_ALWAYS_ABORT = 1, 3, 11; SERIALIZE = 1, 3, 14; TSXLDTRK = 1, 3, 16; AMX_BF16 = 1, 3, 22;
    AVX512_FP16 = 1, 3, 23; AMX_TILE = 1, 3, 24; AMX_INT8 = 1, 3, 25;
    LAHF64_SAHF64 = 2, 2, 0; LZCNT = 2, 2, 5; SSE4A = 2, 2, 6; PREFETCHW = 2, 2, 8; XOP = 2, 2, 11;
    FMA4 = 2, 2, 16; TBM = 2, 2, 21; RDTSCP = 2, 3, 27;
    XSAVEOPT = 3, 0, 0; XSAVEC = 3, 0, 1; XGETBV_ECX_1 = 3, 0, 2; XFD = 3, 0, 4;
    WBNOINVD = 5, 1, 9;
    AVX_VNNI = 6, 0, 4; AVX512_BF16 = 6, 0, 5; FZLRM = 6, 0, 10; FSRS = 6, 0, 11; FSRCS = 6, 0, 12;
    AESKLE = 7, 1, 0; WIDE_KL = 7, 1, 2;
    PTWRITE = 8, 1, 4;
}

/// Features that a program may use as soon as the processor reports them: they add no register state.
static PLAIN: FeatureSet = FeatureSet::of(&[
    Feature::SSE3,
    Feature::PCLMULQDQ,
    Feature::SSSE3,
    Feature::CMPXCHG16B,
    Feature::SSE4_1,
    Feature::SSE4_2,
    Feature::MOVBE,
    Feature::POPCNT,
    Feature::AES,
    Feature::OSXSAVE,
    Feature::RDRAND,
    Feature::TSC,
    Feature::CX8,
    Feature::CMOV,
    Feature::CLFSH,
    Feature::MMX,
    Feature::FXSR,
    Feature::SSE,
    Feature::SSE2,
    Feature::HTT,
    Feature::BMI1,
    Feature::HLE,
    Feature::BMI2,
    Feature::ERMS,
    Feature::RDSEED,
    Feature::ADX,
    Feature::CLFLUSHOPT,
    Feature::CLWB,
    Feature::SHA,
    Feature::PREFETCHWT1,
    Feature::OSPKE,
    Feature::WAITPKG,
    Feature::GFNI,
    Feature::RDPID,
    Feature::CLDEMOTE,
    Feature::MOVDIRI,
    Feature::MOVDIR64B,
    Feature::FSRM,
    Feature::RTM_ALWAYS_ABORT,
    Feature::SERIALIZE,
    Feature::TSXLDTRK,
    Feature::LAHF64_SAHF64,
    Feature::LZCNT,
    Feature::SSE4A,
    Feature::PREFETCHW,
    Feature::TBM,
    Feature::RDTSCP,
    Feature::WBNOINVD,
    Feature::FZLRM,
    Feature::FSRS,
    Feature::FSRCS,
    Feature::PTWRITE,
]);

/// Features that need the upper halves of the ymm registers saved by the system, and AVX itself.
pub const WITH_YMM: &[Feature] = &[
    Feature::AVX,
    Feature::AVX2,
    Feature::AVX_VNNI,
    Feature::FMA,
    Feature::VAES,
    Feature::VPCLMULQDQ,
    Feature::XOP,
    Feature::F16C,
];

/// Features that need the opmask and zmm registers saved by the system, and AVX512F itself.
pub const WITH_ZMM: &[Feature] = &[
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
    Feature::AVX512_VP2INTERSECT,
    Feature::AVX512_BF16,
    Feature::AVX512_FP16,
];

/// Features that need the tile registers saved by the system.
pub const WITH_TILES: &[Feature] = &[Feature::AMX_BF16, Feature::AMX_TILE, Feature::AMX_INT8];

/// The XSAVE instructions beyond XSAVE; usable when the system has enabled it.
pub const WITH_XSAVE: &[Feature] = &[Feature::XSAVEOPT, Feature::XSAVEC, Feature::XGETBV_ECX_1, Feature::XFD];

/// What each x86-64 level adds to the one below it (x86-64 psABI, section "Micro-Architecture Levels").
const LEVELS: [&[Feature]; 4] = [
    &[
        Feature::CMOV,
        Feature::CX8,
        Feature::FXSR,
        Feature::MMX,
        Feature::SSE,
        Feature::SSE2,
    ],
    &[
        Feature::CMPXCHG16B,
        Feature::LAHF64_SAHF64,
        Feature::POPCNT,
        Feature::SSE3,
        Feature::SSSE3,
        Feature::SSE4_1,
        Feature::SSE4_2,
    ],
    &[
        Feature::AVX,
        Feature::AVX2,
        Feature::BMI1,
        Feature::BMI2,
        Feature::F16C,
        Feature::FMA,
        Feature::LZCNT,
        Feature::MOVBE,
    ],
    &[
        Feature::AVX512F,
        Feature::AVX512BW,
        Feature::AVX512CD,
        Feature::AVX512DQ,
        Feature::AVX512VL,
    ],
];

/// XCR0: xmm and the upper halves of ymm.
const XCR0_YMM: u64 = 1 << 1 | 1 << 2;
/// XCR0: opmask, upper halves of zmm0 to 15, zmm16 to 31.
const XCR0_ZMM: u64 = 1 << 5 | 1 << 6 | 1 << 7;
/// XCR0: tile configuration and tile data.
const XCR0_TILES: u64 = 1 << 17 | 1 << 18;

/// A set of feature bits: registers eax, ebx, ecx, edx of each of [`FEATURE_LEAVES`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FeatureSet([[u32; 4]; 9]);

impl FeatureSet {
    const fn of(features: &[Feature]) -> Self {
        let mut set = Self([[0; 4]; 9]);
        let mut index = 0;
        while index < features.len() {
            let Feature(bit) = features[index];
            set.0[bit as usize / 128][bit as usize / 32 % 4] |= 1 << (bit % 32);
            index += 1;
        }
        set
    }

    /// Whether the feature is in the set.
    pub fn has(&self, feature: Feature) -> bool {
        let word = self.0.as_flattened().get(usize::from(feature.0 / 32));
        word.is_some_and(|word| word >> (feature.0 % 32) & 1 == 1)
    }

    /// Whether all of the features are in the set.
    pub fn has_all(&self, features: &[Feature]) -> bool {
        features.iter().all(|&feature| self.has(feature))
    }

    /// Adds the feature.
    pub fn insert(&mut self, feature: Feature) {
        if let Some(word) = self.word(feature) {
            *word |= 1 << (feature.0 % 32);
        }
    }

    /// Takes the feature out.
    pub fn remove(&mut self, feature: Feature) {
        if let Some(word) = self.word(feature) {
            *word &= !(1 << (feature.0 % 32));
        }
    }

    /// Takes all of the features out.
    pub fn remove_all(&mut self, features: &[Feature]) {
        for &feature in features {
            self.remove(feature);
        }
    }

    /// The registers eax, ebx, ecx, edx of a leaf; zero for a leaf outside [`FEATURE_LEAVES`].
    pub fn registers(&self, leaf: u32, subleaf: u32) -> [u32; 4] {
        let index = FEATURE_LEAVES.iter().position(|&known| known == (leaf, subleaf));
        index.and_then(|index| self.0.get(index)).copied().unwrap_or_default()
    }

    /// Replaces all bits of a leaf with zero.
    pub fn clear_leaf(&mut self, leaf: u32, subleaf: u32) {
        for (known, registers) in FEATURE_LEAVES.iter().zip(&mut self.0) {
            if *known == (leaf, subleaf) {
                *registers = [0; 4];
            }
        }
    }

    /// The features of this set that a program may use: reported by the processor and, where they add registers,
    /// saved by the system as `xcr0` says. FMA4 is left to the caller, because it counts on AMD only.
    pub fn usable(&self, xcr0: u64) -> Self {
        let mut usable = *self;
        for (word, plain) in usable.0.as_flattened_mut().iter_mut().zip(PLAIN.0.as_flattened()) {
            *word &= plain;
        }
        let mut take = |features: &[Feature]| {
            for &feature in features {
                if self.has(feature) {
                    usable.insert(feature);
                }
            }
        };
        if !self.has(Feature::RTM_ALWAYS_ABORT) {
            take(&[Feature::RTM]);
        }
        if self.has(Feature::OSXSAVE) {
            if xcr0 & XCR0_YMM == XCR0_YMM {
                if self.has(Feature::AVX) {
                    take(WITH_YMM);
                }
                if xcr0 & XCR0_ZMM == XCR0_ZMM && self.has(Feature::AVX512F) {
                    take(WITH_ZMM);
                }
            }
            if xcr0 & XCR0_TILES == XCR0_TILES {
                take(WITH_TILES);
            }
            take(&[Feature::XSAVE]);
            take(WITH_XSAVE);
        }
        if self.has(Feature::AESKLE) {
            take(&[Feature::AESKLE, Feature::KL, Feature::WIDE_KL]);
        }
        if self.has(Feature::OSPKE) {
            usable.insert(Feature::PKU);
        }
        usable
    }

    /// The highest x86-64 level, 1 to 4, that a set of usable features reaches; 0 if not even the first.
    pub fn isa_level(&self) -> u8 {
        self.lacking().level()
    }

    /// Which features of the levels are not in a set of usable ones: a bit for each, in the order of [`LEVELS`].
    #[inline(never)]
    pub fn lacking(&self) -> LevelFeatures {
        let (mut lacking, mut bit) = (0, 1);
        for level in LEVELS {
            for feature in level {
                if !self.has(*feature) {
                    lacking |= bit;
                }
                bit <<= 1;
            }
        }
        LevelFeatures(lacking)
    }

    /// The level as bits of the GNU property GNU_PROPERTY_X86_ISA_1_NEEDED: one per level reached.
    pub fn isa_1(&self) -> u32 {
        (1 << self.isa_level()) - 1
    }

    fn word(&mut self, feature: Feature) -> Option<&mut u32> {
        self.0.as_flattened_mut().get_mut(usize::from(feature.0 / 32))
    }
}

/// How a trampoline saves the argument registers around a call into lode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SaveMethod {
    /// FXSAVE: the system has not enabled XSAVE.
    Fxsave,
    /// XSAVE, standard format.
    Xsave,
    /// XSAVEC, compacted format.
    Xsavec,
}

/// The memory that a trampoline needs to save vector registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SaveArea {
    /// The instruction to use.
    pub method: SaveMethod,
    /// State components to request (eax of the instruction); those that the system has not enabled are skipped.
    pub components: u32,
    /// Bytes, at an address that is a multiple of 64.
    pub size: u32,
}

/// State components in which arguments may be passed or that calls may change: xmm, ymm, bound, opmask and zmm
/// registers. x87 and PKRU are not argument registers; tiles are caller-saved by convention.
pub const ARGUMENT_STATE: u32 = 1 << 1 | 1 << 2 | 1 << 3 | 1 << 5 | 1 << 6 | 1 << 7;

/// Bytes of the FXSAVE image and the XSAVE header, with which every XSAVE area begins.
const XSAVE_FIXED: u32 = 512 + 64;

/// State components beyond the FXSAVE image and their bytes. Linux enables XSAVE only if CPUID reports these very
/// sizes (it checks them against its own structures), so they are not asked for again. All are
/// multiples of 64: alignment inside a compacted area never adds anything.
const COMPONENT_SIZES: [(u32, u32); 5] = [(2, 256), (3, 64), (5, 64), (6, 512), (7, 1024)];

/// The leaf with the widths of addresses.
const ADDRESS_WIDTHS: u32 = 0x8000_0008;

/// Most leaves that any known processor makes lode read; more would only be asked again.
const REMEMBERED: usize = 24;

/// The processor, as far as it has been asked.
pub struct Cpu<'c> {
    /// The instruction.
    cpuid: Cpuid<'c>,
    /// By leaf and sub-leaf, see [`key`].
    leaves: [(u64, Registers); REMEMBERED],
    read: usize,
    xcr0: u64,
    /// What a program may use of what the leaves of [`Cpu::read`] report.
    usable: FeatureSet,
}

impl<'c> Cpu<'c> {
    /// A processor of which nothing is known but that it is one of x86-64: FXSAVE saves what code like lode's own changes.
    pub fn unasked(cpuid: Cpuid<'c>) -> Self {
        Self {
            cpuid,
            leaves: [(0, Registers::default()); REMEMBERED],
            read: 0,
            xcr0: 0,
            usable: FeatureSet::default(),
        }
    }

    /// Asks what every program needs: identity, x86-64 level, size of a trampoline's save area. Five
    /// CPUID instructions on a processor with XSAVE.
    #[inline(never)]
    pub fn read(cpuid: Cpuid<'c>, xgetbv: &mut dyn FnMut() -> u64) -> Self {
        let mut cpu = Cpu::unasked(cpuid);
        let max = cpu.leaf(0, 0).eax;
        cpu.leaf(1, 0);
        if max >= 7 {
            cpu.leaf(7, 0);
        }
        if max >= 0xd {
            cpu.leaf(0xd, 1);
        }
        // Every processor with 64-bit mode has this leaf: it is where the mode is announced.
        cpu.leaf(0x8000_0001, 0);
        let reported = cpu.reported();
        if reported.has(Feature::OSXSAVE) {
            cpu.xcr0 = xgetbv();
        }
        cpu.usable = reported.usable(cpu.xcr0);
        cpu
    }

    /// Asks the feature leaves that [`read`](Self::read) left out.
    pub fn read_features(&mut self) {
        let max = self.max_leaf();
        if max >= 7 && self.known(7, 0).eax >= 1 {
            self.leaf(7, 1);
        }
        if self.reaches_extended(0x8000_0007) {
            self.leaf(0x8000_0007, 0);
        }
        // These leaves describe an optional facility and are all zero without it.
        let reported = self.reported();
        if max >= 0x19 && reported.has(Feature::KL) {
            self.leaf(0x19, 0);
        }
        if max >= 0x14 && reported.has(Feature::TRACE) {
            self.leaf(0x14, 0);
        }
    }

    /// The registers of a leaf, asked now unless they are known.
    #[inline(never)]
    pub fn leaf(&mut self, leaf: u32, subleaf: u32) -> Registers {
        if let Some(known) = self.find(leaf, subleaf) {
            return known;
        }
        let registers = (self.cpuid)(leaf, subleaf);
        if let Some(slot) = self.leaves.get_mut(self.read) {
            *slot = (key(leaf, subleaf), registers);
        }
        self.read = self.read.saturating_add(1);
        registers
    }

    /// The registers of a leaf that was asked before; zero otherwise.
    #[inline(never)]
    pub fn known(&self, leaf: u32, subleaf: u32) -> Registers {
        self.find(leaf, subleaf).unwrap_or_default()
    }

    /// Number of CPUID instructions executed so far.
    pub fn instructions(&self) -> usize {
        self.read
    }

    /// Whether an extended leaf (0x80000000 and up) exists.
    ///
    /// Address widths in leaf 0x80000008 that a processor can have prove that leaf, and with it all below: an
    /// absent one reads as zero (AMD) or as the highest basic leaf (Intel). That spares leaf 0x80000000.
    pub fn reaches_extended(&mut self, leaf: u32) -> bool {
        if leaf > ADDRESS_WIDTHS {
            return self.leaf(0x8000_0000, 0).eax >= leaf;
        }
        let [physical, linear, guest, reserved] = self.leaf(ADDRESS_WIDTHS, 0).eax.to_le_bytes();
        let possible = (32..=52).contains(&physical) && (linear == 48 || linear == 57) && guest <= 64 && reserved == 0;
        if possible {
            return true;
        }
        let max = self.leaf(0x8000_0000, 0).eax;
        if max < ADDRESS_WIDTHS {
            self.forget(ADDRESS_WIDTHS);
        }
        max >= leaf
    }

    /// Highest basic leaf.
    pub fn max_leaf(&self) -> u32 {
        self.known(0, 0).eax
    }

    /// The vendor.
    pub fn vendor(&self) -> Vendor {
        const TEXTS: &[u8] = b"GenuineIntelAuthenticAMDHygonGenuineCentaurHauls  Shanghai  ";
        let registers = self.known(0, 0);
        // In the order in which the registers spell it.
        let text = [registers.ebx, registers.edx, registers.ecx].map(u32::to_le_bytes);
        match TEXTS.chunks_exact(12).position(|known| known == text.as_flattened()) {
            Some(0) => Vendor::Intel,
            Some(1) => Vendor::Amd,
            Some(2) => Vendor::Hygon,
            Some(_) => Vendor::Zhaoxin,
            None => Vendor::Other,
        }
    }

    /// Family, with the extended family where it counts.
    pub fn family(&self) -> u32 {
        let version = self.known(1, 0).eax;
        let family = version >> 8 & 0xf;
        if family == 0xf {
            family + (version >> 20 & 0xff)
        } else {
            family
        }
    }

    /// Model, with the extended model where it counts: in families 6 and 15 and up, and in all of Zhaoxin's.
    pub fn model(&self) -> u32 {
        let version = self.known(1, 0).eax;
        let model = version >> 4 & 0xf;
        let family = version >> 8 & 0xf;
        if family == 6 || family == 0xf || self.vendor() == Vendor::Zhaoxin {
            model + (version >> 12 & 0xf0)
        } else {
            model
        }
    }

    /// Stepping.
    pub fn stepping(&self) -> u32 {
        self.known(1, 0).eax & 0xf
    }

    /// State components that the system has enabled; 0 without XSAVE.
    pub fn xcr0(&self) -> u64 {
        self.xcr0
    }

    /// The feature leaves as the processor reports them; leaves not asked yet are zero.
    pub fn reported(&self) -> FeatureSet {
        let mut reported = FeatureSet::default();
        for ((leaf, subleaf), words) in FEATURE_LEAVES.iter().zip(&mut reported.0) {
            let registers = self.known(*leaf, *subleaf);
            *words = [registers.eax, registers.ebx, registers.ecx, registers.edx];
        }
        reported
    }

    /// The features that a program may use, as far as [`read`](Self::read) asked.
    pub fn usable(&self) -> FeatureSet {
        self.usable
    }

    /// See [`FeatureSet::lacking`].
    pub fn lacking(&self) -> LevelFeatures {
        self.usable().lacking()
    }

    /// How trampolines save argument registers, and how much memory that takes. Asks one more leaf on processors
    /// with XSAVE and without XSAVEC.
    pub fn save_area(&mut self) -> SaveArea {
        let usable = self.usable();
        if !usable.has(Feature::XSAVE) {
            return SaveArea {
                method: SaveMethod::Fxsave,
                components: 0,
                size: 512,
            };
        }
        if usable.has(Feature::XSAVEC) {
            let saved = self.xcr0 & u64::from(ARGUMENT_STATE);
            let enabled = COMPONENT_SIZES
                .iter()
                .filter(|&&(component, _)| saved >> component & 1 == 1);
            let size = XSAVE_FIXED + enabled.map(|&(_, size)| size).sum::<u32>();
            return SaveArea {
                method: SaveMethod::Xsavec,
                components: ARGUMENT_STATE,
                size,
            };
        }
        SaveArea {
            method: SaveMethod::Xsave,
            components: ARGUMENT_STATE,
            size: self.leaf(0xd, 0).ebx.max(XSAVE_FIXED),
        }
    }

    /// Makes a leaf that turned out not to exist read as zero.
    fn forget(&mut self, leaf: u32) {
        for known in self.leaves.iter_mut().filter(|known| known.0 == key(leaf, 0)) {
            known.1 = Registers::default();
        }
    }

    #[inline(never)]
    fn find(&self, leaf: u32, subleaf: u32) -> Option<Registers> {
        let wanted = key(leaf, subleaf);
        let asked = self.leaves.get(..self.read).unwrap_or(&self.leaves);
        let known = asked.iter().find(|known| known.0 == wanted);
        known.map(|known| known.1)
    }
}

/// A leaf and a sub-leaf in one number.
fn key(leaf: u32, subleaf: u32) -> u64 {
    u64::from(leaf) << 32 | u64::from(subleaf)
}

/// Processors recorded as tables, for the tests of this crate.
#[cfg(test)]
pub(crate) mod recorded {
    use super::*;
    use alloc::vec::Vec;

    /// A recorded processor: CPUID answers and XCR0. Leaves that are not listed read as zero.
    pub(crate) struct Table {
        pub(crate) leaves: &'static [(u32, u32, [u32; 4])],
        pub(crate) xcr0: u64,
    }

    impl Table {
        /// Runs `use_it` with this processor, read as [`Cpu::read`] does; returns its result and the leaves asked.
        pub(crate) fn run<T>(&self, use_it: impl FnOnce(&mut Cpu<'_>) -> T) -> (T, Vec<(u32, u32)>) {
            let mut asked = Vec::new();
            let mut cpuid = |leaf: u32, subleaf: u32| {
                asked.push((leaf, subleaf));
                let known = self.leaves.iter().find(|known| (known.0, known.1) == (leaf, subleaf));
                let [eax, ebx, ecx, edx] = known.map_or([0; 4], |known| known.2);
                Registers { eax, ebx, ecx, edx }
            };
            let result = use_it(&mut Cpu::read(&mut cpuid, &mut || self.xcr0));
            (result, asked)
        }
    }

    /// A virtual machine on an EPYC of the fourth generation.
    #[rustfmt::skip]
    pub(crate) const EPYC: Table = Table {
        leaves: &[
            (0, 0, [0x1c, 0x6874_7541, 0x444d_4163, 0x6974_6e65]),
            (1, 0, [0x00a1_0f11, 0x0002_0800, 0xfffa_3203, 0x178b_fbff]),
            (7, 0, [1, 0xf1bf_07ab, 0x0040_5fc6, 0x10]),
            (7, 1, [0x20, 0, 0, 0]),
            (0xb, 0, [0, 1, 0x100, 1]),
            (0xb, 1, [5, 2, 0x201, 1]),
            (0xd, 0, [0xe7, 0x980, 0x980, 0]),
            (0xd, 1, [0xf, 0x9a8, 0x1800, 0]),
            (0x8000_0000, 0, [0x8000_0021, 0x6874_7541, 0x444d_4163, 0x6974_6e65]),
            (0x8000_0001, 0, [0x00a1_0f11, 0x4000_0000, 0x0040_03f3, 0x2fd3_fbff]),
            (0x8000_0005, 0, [0xff48_ff40, 0xff48_ff40, 0x2008_0140, 0x2008_0140]),
            (0x8000_0006, 0, [0x5c00_2200, 0x6c00_4200, 0x0400_6140, 0x0a00_9140]),
            (0x8000_0007, 0, [0, 0, 0, 0x100]),
            (0x8000_0008, 0, [0x0030_3030, 0x5002_0005, 0x7001, 0]),
            (0x8000_001d, 0, [0x121, 0x01c0_003f, 0x3f, 0]),
            (0x8000_001d, 1, [0x122, 0x01c0_003f, 0x3f, 0]),
            (0x8000_001d, 2, [0x143, 0x01c0_003f, 0x7ff, 2]),
            (0x8000_001d, 3, [0x4163, 0x03c0_003f, 0x7fff, 1]),
        ],
        xcr0: 0xe7,
    };

    /// In the manner of a Skylake server, four threads to the last-level cache, which is not inclusive.
    #[rustfmt::skip]
    pub(crate) const SKYLAKE_SERVER: Table = Table {
        leaves: &[
            (0, 0, [0x16, 0x756e_6547, 0x6c65_746e, 0x4965_6e69]),
            (1, 0, [0x0005_0654, 0x0001_0800, 0x7ffe_fbff, 0xbfeb_fbff]),
            (2, 0, [0x7603_6301, 0x00f0_b5ff, 0, 0x00c3_0000]),
            (4, 0, [0x1c00_4121, 0x01c0_003f, 0x3f, 0]),
            (4, 1, [0x1c00_4122, 0x01c0_003f, 0x3f, 0]),
            (4, 2, [0x1c00_4143, 0x03c0_003f, 0x3ff, 0]),
            (4, 3, [0x1c03_c163, 0x0280_003f, 0x6fff, 4]),
            (7, 0, [0, 0xd39f_fffb, 8, 0x9c00_0400]),
            (0xb, 0, [1, 2, 0x100, 0]),
            (0xb, 1, [5, 0x14, 0x201, 0]),
            (0xd, 0, [0x2ff, 0xa88, 0xa88, 0]),
            (0xd, 1, [0xf, 0xa08, 0x100, 0]),
            (0x14, 0, [1, 0xf, 7, 0]),
            (0x8000_0000, 0, [0x8000_0008, 0, 0, 0]),
            (0x8000_0001, 0, [0, 0, 0x121, 0x2c10_0800]),
            (0x8000_0007, 0, [0, 0, 0, 0x100]),
            (0x8000_0008, 0, [0x302e, 0, 0, 0]),
        ],
        xcr0: 0xe7,
    };

    /// In the manner of a Core 2: caches by leaf 2, no XSAVE, no leaf 0x80000007.
    #[rustfmt::skip]
    pub(crate) const CORE2: Table = Table {
        leaves: &[
            (0, 0, [0xa, 0x756e_6547, 0x6c65_746e, 0x4965_6e69]),
            (1, 0, [0x6fb, 0x0001_0800, 0xe3bd, 0xbfeb_fbff]),
            (2, 0, [0x05b0_b101, 0x0056_57f0, 0, 0x2cb4_3049]),
            (4, 0, [0x0400_0121, 0x01c0_003f, 0x3f, 1]),
            (4, 1, [0x0400_0122, 0x01c0_003f, 0x3f, 1]),
            (4, 2, [0x0400_4143, 0x03c0_003f, 0xfff, 1]),
            (0x8000_0000, 0, [0x8000_0008, 0, 0, 0]),
            (0x8000_0001, 0, [0, 0, 1, 0x2010_0800]),
            (0x8000_0008, 0, [0x3024, 0, 0, 0]),
        ],
        xcr0: 0,
    };
}

#[cfg(test)]
mod tests {
    use super::recorded::{CORE2, EPYC, SKYLAKE_SERVER, Table};
    use super::*;

    fn usable(table: &Table) -> FeatureSet {
        table.run(|cpu| cpu.usable()).0
    }

    #[test]
    fn identity_comes_from_the_first_two_leaves() {
        let facts = |table: &Table| {
            let identity = table.run(|cpu| (cpu.vendor(), cpu.family(), cpu.model(), cpu.stepping()));
            identity.0
        };
        assert_eq!(facts(&EPYC), (Vendor::Amd, 0x19, 0x11, 1));
        assert_eq!(facts(&SKYLAKE_SERVER), (Vendor::Intel, 6, 0x55, 4));
        assert_eq!(facts(&CORE2), (Vendor::Intel, 6, 0xf, 0xb));
    }

    #[test]
    fn a_program_without_libc_costs_five_instructions() {
        let (instructions, asked) = EPYC.run(|cpu| {
            cpu.save_area();
            cpu.instructions()
        });
        assert_eq!(asked, [(0, 0), (1, 0), (7, 0), (0xd, 1), (0x8000_0001, 0)]);
        assert_eq!(instructions, 5);
    }

    #[test]
    fn no_leaf_is_asked_twice() {
        let (_, asked) = EPYC.run(|cpu| {
            for _ in 0..2 {
                cpu.read_features();
                cpu.leaf(7, 1);
            }
        });
        let mut once = asked.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), asked.len());
    }

    #[test]
    fn levels_need_the_registers_that_the_system_saves() {
        assert_eq!(usable(&EPYC).isa_level(), 4);
        let leaves = EPYC.leaves;
        let level = |xcr0| usable(&Table { leaves, xcr0 }).isa_level();
        assert_eq!(level(7), 3);
        assert_eq!(level(3), 2);
        assert_eq!(usable(&CORE2).isa_level(), 1);
        assert_eq!(usable(&EPYC).isa_1(), 0b1111);
        assert_eq!(FeatureSet::default().isa_level(), 0);
        let lacking = |table| usable(table).lacking();
        assert_eq!(lacking(&EPYC), LevelFeatures(0));
        assert_eq!(lacking(&CORE2).up_to(2).to_string(), " POPCNT SSE4_1 SSE4_2");
    }

    #[test]
    fn save_areas_hold_the_enabled_state() {
        let area = |table: &Table| table.run(|cpu| cpu.save_area()).0;
        let epyc = area(&EPYC);
        assert_eq!(epyc.method, SaveMethod::Xsavec);
        assert_eq!(epyc.size, 576 + 256 + 64 + 512 + 1024);
        let fxsave = area(&CORE2);
        assert_eq!((fxsave.method, fxsave.size), (SaveMethod::Fxsave, 512));
        const HASWELL: Table = Table {
            leaves: &[
                (0, 0, [0xd, 0, 0, 0]),
                (1, 0, [0, 0, 0x1c00_0000, 0]),
                (0xd, 0, [7, 0x340, 0x340, 0]),
                (0xd, 1, [1, 0, 0, 0]),
            ],
            xcr0: 7,
        };
        let xsave = area(&HASWELL);
        assert_eq!((xsave.method, xsave.size), (SaveMethod::Xsave, 0x340));
    }

    #[test]
    fn address_widths_prove_the_extended_leaves() {
        let reaches = |table: &Table, leaf| {
            table.run(|cpu| {
                let reached = cpu.reaches_extended(leaf);
                (reached, cpu.known(0x8000_0008, 0))
            })
        };
        let ((reached, _), asked) = reaches(&EPYC, 0x8000_0007);
        assert!(reached && !asked.contains(&(0x8000_0000, 0)));
        assert!(reaches(&EPYC, 0x8000_0021).0.0);
        assert!(!reaches(&EPYC, 0x8000_0022).0.0);

        // An absent leaf that reads as another one does not count, and is forgotten.
        const ODD: Table = Table {
            leaves: &[
                (0x8000_0000, 0, [0x8000_0004, 0, 0, 0]),
                (0x8000_0008, 0, [7, 0x340, 0x340, 0]),
            ],
            xcr0: 0,
        };
        assert_eq!(reaches(&ODD, 0x8000_0007).0, (false, Registers::default()));
        assert!(reaches(&ODD, 0x8000_0004).0.0);
    }

    #[test]
    fn leaves_beyond_the_memory_are_asked_again() {
        let ((instructions, last), asked) = EPYC.run(|cpu| {
            for subleaf in 0..40 {
                cpu.leaf(0x20, subleaf);
            }
            (cpu.instructions(), cpu.known(0x20, 39))
        });
        assert_eq!(instructions, asked.len());
        assert_eq!(last, Registers::default());
    }
}
