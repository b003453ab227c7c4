//! Who may change what is loaded, and what a `fork` has to find whole.
//!
//! The long lock is libc's own recursive mutex where there is a libc, because `fork` resets that in the child. A call that comes in while
//! the same thread is in the middle of loading (from a resolver, from a signal handler) is refused with a text.
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use super::close::{CLOSED_MEANWHILE, CLOSING, LEFT_BEHIND};
use super::failure;
use super::musl::is_musl;
use super::published::forget_readers;
use super::with_glibc;
use crate::error::{Fault, Kind};
use crate::foreign::Code;
use crate::sys::machine;
use crate::thread;

/// The thread, by its pointer, whose batch is between its first mapping and its publication; 0 when there is none.
pub(super) static LOADING: AtomicU64 = AtomicU64::new(0);

/// A thread that is not in this process, which is the child of a `fork`, was loading: the catalogue may have the numbers of its modules, which are given again.
pub(super) static ABANDONED: AtomicBool = AtomicBool::new(false);

/// The lock that orders operations which load. Recursive.
pub(super) struct LongLock(Lock);

/// What is locked.
enum Lock {
    /// Nothing: there is no libc, and no second thread.
    Nothing,
    /// libc's mutex, with the function that frees it.
    Mutex(Code, &'static Mutex),
    /// lode's own, where libc has none to lend.
    Own,
}

impl LongLock {
    /// `None` for a signal handler that interrupted its own thread inside libc's mutex, which is not recursive there.
    pub(super) fn take() -> Option<LongLock> {
        if is_musl() {
            own::take();
            return Some(LongLock(Lock::Own));
        }
        let Some((lock, unlock, mutex)) = with_glibc(|glibc| {
            let global = glibc.global?;
            let mutex = global.shared(glibc.layout.rtld_global.dl_load_lock)?;
            Some((glibc.functions.mutex_lock?, glibc.functions.mutex_unlock?, mutex))
        })
        .flatten() else {
            return Some(LongLock(Lock::Nothing));
        };
        call_mutex(lock, mutex).then_some(LongLock(Lock::Mutex(unlock, mutex)))
    }

    /// Whether this thread had it already: it comes from a constructor, a destructor, or a signal handler.
    pub(super) fn is_nested(&self) -> bool {
        match self.0 {
            Lock::Nothing => false,
            Lock::Mutex(_, [_, count, _]) => count.load(Ordering::SeqCst) > 1,
            Lock::Own => own::is_nested(),
        }
    }
}

impl Drop for LongLock {
    fn drop(&mut self) {
        match self.0 {
            Lock::Nothing => {}
            Lock::Mutex(unlock, mutex) => {
                call_mutex(unlock, mutex);
            }
            Lock::Own => own::release(),
        }
    }
}

/// lode's own recursive lock. Its word is its owner, so that a signal handler knows at once whether it interrupted the owner.
mod own {
    use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

    use crate::sys::machine;

    /// The thread that has it, by its pointer; 0: nobody.
    static OWNER: AtomicU64 = AtomicU64::new(0);
    /// How often the owner has it.
    static DEPTH: AtomicU32 = AtomicU32::new(0);
    /// How many threads sleep.
    static SLEEPERS: AtomicU32 = AtomicU32::new(0);
    /// Changes whenever one is to wake up.
    static TURN: AtomicU32 = AtomicU32::new(0);

    pub(super) fn take() {
        let thread = machine::thread_pointer();
        if OWNER.load(Ordering::Relaxed) != thread {
            while OWNER
                .compare_exchange(0, thread, Ordering::Acquire, Ordering::Relaxed)
                .is_err()
            {
                let turn = TURN.load(Ordering::SeqCst);
                SLEEPERS.fetch_add(1, Ordering::SeqCst);
                if OWNER.load(Ordering::SeqCst) != 0 {
                    // Whatever wakes it up, it looks again.
                    let _ = crt::syscall::futex_wait(&TURN, turn);
                }
                SLEEPERS.fetch_sub(1, Ordering::SeqCst);
            }
        }
        DEPTH.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn release() {
        if DEPTH.fetch_sub(1, Ordering::Relaxed) != 1 {
            return;
        }
        OWNER.store(0, Ordering::SeqCst);
        if SLEEPERS.load(Ordering::SeqCst) != 0 {
            TURN.fetch_add(1, Ordering::SeqCst);
            let _ = crt::syscall::futex_wake(&TURN, 1);
        }
    }

    pub(super) fn is_nested() -> bool {
        DEPTH.load(Ordering::Relaxed) > 1
    }

    /// Another thread that had it is not in this process.
    pub(super) fn in_the_child() {
        SLEEPERS.store(0, Ordering::Relaxed);
        if OWNER.load(Ordering::Relaxed) != machine::thread_pointer() {
            DEPTH.store(0, Ordering::Relaxed);
            OWNER.store(0, Ordering::Relaxed);
        }
    }
}

/// Calls `function`, unless this is a signal handler that would wait for its own thread: [`INSIDE`] says that it interrupted such a call, and the
/// mutex is taken without an owner (it has become one's, or ceases to be). A jump out of a handler leaves the mark behind; so a mutex that
/// another thread is taking right now is looked at again, until that is done.
fn call_mutex(function: Code, mutex: &'static Mutex) -> bool {
    const LOOKS: u32 = 100;
    let word = thread_word();
    let before = word.load(Ordering::Relaxed);
    if before & INSIDE != 0 && (0..LOOKS).all(|_| is_between(mutex)) {
        return false;
    }
    word.store(before | INSIDE, Ordering::Relaxed);
    function.call([mutex.as_ptr().expose_provenance(), 0, 0, 0]);
    word.store(before, Ordering::Relaxed);
    true
}

/// Whether a recursive mutex is taken, but either the number of times is 0 or there is no owner. What takes it writes lock, number and owner in this
/// order; what frees it, number, owner and lock (`bits/struct_mutex.h`, part of the ABI; the order is that of glibc 2.31 to 2.43).
fn is_between([lock, count, owner]: &Mutex) -> bool {
    let is_zero = |word: &AtomicU32| word.load(Ordering::SeqCst) == 0;
    let is_between = !is_zero(lock) && (is_zero(count) || is_zero(owner));
    if is_between {
        crt::syscall::sched_yield();
    }
    is_between
}

/// The first words of a mutex: its lock, how often a recursive one is taken, by whom. Other threads change them in one instruction each.
type Mutex = [AtomicU32; 3];

/// The bit of [`thread_word`] that says that libc's mutex is being called. Above it are the numbers of [`super::published::Visiting`].
pub(super) const INSIDE: u64 = 1;

/// The second of lode's words of the calling thread.
pub(super) fn thread_word() -> &'static AtomicU64 {
    failure::second_word(machine::thread_pointer())
}

/// A batch is being loaded by this thread: whatever of the program runs meanwhile (resolvers, signal handlers) cannot load.
#[derive(Debug)]
pub struct Loading;

impl Loading {
    /// Called with the long lock held. Another thread's mark is one that `fork` left behind: that thread is not in this process.
    ///
    /// # Errors
    /// [`Kind::Busy`] when this thread is loading already.
    pub fn start() -> core::result::Result<Loading, Fault> {
        let thread = machine::thread_pointer();
        if LOADING.swap(thread, Ordering::Acquire) == thread {
            return Err(Kind::Busy.into());
        }
        Ok(Loading)
    }
}

impl Drop for Loading {
    fn drop(&mut self) {
        LOADING.store(0, Ordering::Release);
    }
}

/// In the child of a fork, where no other thread is: their readers are not here either. A batch that such a thread has not published is a leak,
/// never a corruption.
pub fn in_the_child() {
    forget_readers();
    own::in_the_child();
    let thread = machine::thread_pointer();
    if LOADING.load(Ordering::Relaxed) == thread || CLOSING.load(Ordering::Relaxed) == thread {
        return;
    }
    if LOADING.swap(0, Ordering::Relaxed) != 0 {
        ABANDONED.store(true, Ordering::Relaxed);
    }
    CLOSED_MEANWHILE.store(false, Ordering::Relaxed);
    if CLOSING.swap(0, Ordering::Relaxed) != 0 {
        LEFT_BEHIND.store(true, Ordering::Relaxed);
        // That thread may have published a world without saying that TLS numbers are free.
        thread::GENERATION.fetch_add(1, Ordering::SeqCst);
    }
}
