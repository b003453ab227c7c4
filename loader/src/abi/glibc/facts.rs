//! Facts about the process and the processor, written where libc looks for them.
#![forbid(unsafe_code)]

use super::cpu::{Cache, CpuFacts};
use super::layout::{CPUID_LEAVES, CpuFeatures, Layout, Member};
use super::record::Record;

/// What the kernel told at the start (getauxval(3)).
#[derive(Clone, Copy, Debug, Default)]
pub struct Kernel {
    /// AT_PAGESZ.
    pub page_size: u64,
    /// AT_MINSIGSTKSZ, or what the save area implies.
    pub min_signal_stack: u64,
    /// AT_CLKTCK.
    pub clock_ticks: u64,
    /// AT_HWCAP2.
    pub hwcap2: u64,
    /// The auxiliary vector's address.
    pub auxv: u64,
    /// AT_RSEQ_FEATURE_SIZE: bytes of an rseq area that this kernel uses; 0 from kernels before 6.3.
    pub rseq_size: u64,
    /// AT_RSEQ_ALIGN, or 0.
    pub rseq_align: u64,
}

/// Fills the scalar members of `_rtld_global_ro` and its CPU features.
pub fn fill(layout: &Layout, ro: Record, kernel: &Kernel, facts: &CpuFacts) {
    let at = &layout.rtld_global_ro;
    ro.set(at.dl_pagesize, kernel.page_size);
    ro.set_if(at.dl_minsigstacksize, kernel.min_signal_stack);
    ro.set(at.dl_clktck, kernel.clock_ticks);
    // The x87 control word that the kernel starts with; libc compares its own wish with it.
    ro.set(at.dl_fpu_control, 0x037f);
    ro.set(at.dl_hwcap, facts.hwcap());
    ro.set(at.dl_hwcap2, kernel.hwcap2);
    ro.set(at.dl_auxv, kernel.auxv);
    if let Some(features) = ro.inner(at.dl_x86_cpu_features) {
        fill_features(layout, features, facts);
    }
}

fn fill_features(layout: &Layout, features: Record, facts: &CpuFacts) {
    let at: &CpuFeatures = &layout.cpu_features;
    if let Some(basic) = features.inner(at.basic) {
        let place = &layout.cpu_basic;
        basic.set(place.kind, facts.kind as u64);
        basic.set(place.max_cpuid, facts.max_cpuid.into());
        basic.set(place.family, facts.family.into());
        basic.set(place.model, facts.model.into());
        basic.set(place.stepping, facts.stepping.into());
    }
    let element = &layout.cpuid_feature;
    let leaves = CPUID_LEAVES.iter().take(layout.cpuid_leaves as usize).enumerate();
    for (index, leaf) in leaves {
        for (array, stride, part, set) in [
            (at.features, element.size(), element.cpuid, &facts.cpuid),
            (at.features, element.size(), element.active, &facts.active),
            (at.cpuid, 16, at.cpuid, &facts.cpuid),
        ] {
            if let (Some(array), Some(part)) = (array, part) {
                let place = array.offset() + index * stride + part.offset();
                set_registers(features, place, set.registers(leaf.eax, leaf.ecx));
            }
        }
    }
    if let Some(words) = at.feature {
        features.set_half(words.offset(), facts.usable());
        features.set_half(words.offset() + 4, facts.preferred.word(&layout.preferred));
    }
    features.set_if(at.preferred, facts.preferred.word(&layout.preferred).into());
    features.set_if(at.isa_1, facts.isa_1.into());
    features.set(at.xsave_state_size, facts.xsave_state_size);
    features.set(at.xsave_state_full_size, facts.xsave_state_full_size.into());
    features.set(at.data_cache_size, facts.data_cache_size as u64);
    features.set(at.shared_cache_size, facts.shared_cache_size as u64);
    features.set(at.non_temporal_threshold, facts.non_temporal_threshold);
    features.set_if(at.memset_non_temporal_threshold, facts.memset_non_temporal_threshold);
    features.set_if(at.cachesize_non_temporal_divisor, 4);
    features.set_if(at.rep_movsb_threshold, facts.rep_movsb_threshold);
    features.set_if(at.rep_movsb_stop_threshold, facts.rep_movsb_stop_threshold);
    features.set_if(at.rep_stosb_threshold, facts.rep_stosb_threshold);
    set_cache(
        features,
        facts.level1_icache,
        at.level1_icache_size,
        None,
        at.level1_icache_linesize,
    );
    set_cache(
        features,
        facts.level1_dcache,
        at.level1_dcache_size,
        at.level1_dcache_assoc,
        at.level1_dcache_linesize,
    );
    set_cache(
        features,
        facts.level2_cache,
        at.level2_cache_size,
        at.level2_cache_assoc,
        at.level2_cache_linesize,
    );
    set_cache(
        features,
        facts.level3_cache,
        at.level3_cache_size,
        at.level3_cache_assoc,
        at.level3_cache_linesize,
    );
    features.set_if(at.level4_cache_size, facts.level4_cache_size as u64);
}

fn set_registers(record: Record, array: usize, registers: [u32; 4]) {
    for (index, value) in registers.into_iter().enumerate() {
        record.set_half(array + index * 4, value);
    }
}

fn set_cache(features: Record, cache: Cache, size: Option<Member>, assoc: Option<Member>, linesize: Option<Member>) {
    features.set_if(size, cache.size as u64);
    features.set_if(assoc, cache.assoc as u64);
    features.set_if(linesize, cache.linesize as u64);
}
