//! The allocator: what a batch or the start took for a moment goes back to the system.
#![cfg_attr(
    target_env = "gnu",
    expect(unsafe_code, reason = "mallopt and malloc_trim; see SAFETY")
)]

/// Tells glibc to hold no more than is used; to be called before there are threads.
///
/// By default each thread that ever allocated keeps an arena of its own, and blocks as large as a
/// batch are never given back once one of them was freed. Few threads allocate much here, so that
/// they hardly wait for each other.
#[cfg(target_env = "gnu")]
pub fn hold_little() {
    const BLOCK: libc::c_int = 1 << 20;
    // What a batch takes is not asked of the system each time; [`give_back`] sees to the rest.
    const KEPT: libc::c_int = 4 << 20;
    let options =
        [(libc::M_ARENA_MAX, 1), (libc::M_MMAP_THRESHOLD, BLOCK), (libc::M_TRIM_THRESHOLD, KEPT)];
    for (option, value) in options {
        // SAFETY: it takes numbers only; one that it does not know is refused, and no harm done.
        unsafe { libc::mallopt(option, value) };
    }
}

/// Gives back what a storm or the start took and nobody uses any more; it lies between what is used.
#[cfg(target_env = "gnu")]
pub fn give_back() {
    // SAFETY: it looks at free blocks only, under the allocator's own lock.
    unsafe { libc::malloc_trim(0) };
}

/// Other allocators are left as they are.
#[cfg(not(target_env = "gnu"))]
pub fn hold_little() {}

/// Other allocators are left as they are.
#[cfg(not(target_env = "gnu"))]
pub fn give_back() {}
