//! Owners of one word, exchanged by one instruction: another thread, a signal handler and the child of a `fork` find what was there before or what came
//! after.
//!
//! # Safety
//! A word is null or what it was given as a pointer of its kind; whoever takes that out owns it.
#![allow(unsafe_code)]

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicPtr, Ordering};

/// A box or nothing.
#[repr(transparent)]
pub(crate) struct AtomicBox<T>(AtomicPtr<T>);

impl<T: Send> AtomicBox<T> {
    pub(crate) const fn empty() -> AtomicBox<T> {
        AtomicBox(AtomicPtr::new(null_mut()))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.load(Ordering::Relaxed).is_null()
    }

    pub(crate) fn swap(&self, new: Option<Box<T>>) -> Option<Box<T>> {
        let old = self.0.swap(new.map_or(null_mut(), Box::into_raw), Ordering::AcqRel);
        // SAFETY: only boxes are put here, and each is taken out once.
        (!old.is_null()).then(|| unsafe { Box::from_raw(old) })
    }

    /// Puts something where nothing is.
    pub(crate) fn put(&self, new: Option<Box<T>>) {
        self.0.store(new.map_or(null_mut(), Box::into_raw), Ordering::Release);
    }

    /// Empties it without a look at what was there, which may never have been a box.
    pub(crate) fn reset(&self) {
        self.0.store(null_mut(), Ordering::Relaxed);
    }
}

/// A value that others may be looking at while it changes hands, or nothing.
pub(super) struct AtomicArc<T>(AtomicPtr<T>);

/// What can stand in a list: each owns the next.
pub(super) trait Linked: Sized {
    fn next(&self) -> &AtomicArc<Self>;
}

impl<T: Send + Sync> AtomicArc<T> {
    pub(super) const fn empty() -> AtomicArc<T> {
        AtomicArc(AtomicPtr::new(null_mut()))
    }

    /// Where the value is; null: nowhere.
    pub(super) fn address(&self) -> *const T {
        self.0.load(Ordering::SeqCst)
    }

    pub(super) fn swap(&self, new: Option<Arc<T>>) -> Option<Arc<T>> {
        let new = new.map_or(null_mut(), |new| Arc::into_raw(new).cast_mut());
        let old = self.0.swap(new, Ordering::SeqCst);
        // SAFETY: only such pointers are put here, and each is taken out once.
        (!old.is_null()).then(|| unsafe { Arc::from_raw(old) })
    }

    /// Puts a value before those of a list. Whoever looks at the value leaves its link alone.
    pub(super) fn push(&self, new: Arc<T>)
    where
        T: Linked,
    {
        let mut head = self.0.load(Ordering::Relaxed);
        let one = Arc::as_ptr(&new).cast_mut();
        loop {
            new.next().0.store(head, Ordering::Relaxed);
            match self
                .0
                .compare_exchange_weak(head, one, Ordering::AcqRel, Ordering::Relaxed)
            {
                Ok(_) => return core::mem::forget(new),
                Err(other) => head = other,
            }
        }
    }
}
