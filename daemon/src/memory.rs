//! The allocator and the program's own pages: what a batch or the start took for a moment goes back to
//! the system.
//!
//! Measured with `make bench PART=restore` on two cores, glibc 2.36: with its own settings 100 000
//! series take 155 MB and 100 000 alarms are told in 14.8 s; with four arenas 141 MB and 13.6 s; with
//! one 139 MB and 18.9 s, since threads wait for each other.
#![cfg_attr(
    target_env = "gnu",
    expect(unsafe_code, reason = "mallopt, malloc_trim and madvise; see SAFETY")
)]

/// Tells glibc to hold little more than is used; to be called before there are threads.
///
/// By default each thread that ever allocated keeps an arena of its own, and blocks as large as a
/// batch are never given back once one of them was freed.
#[cfg(target_env = "gnu")]
pub fn hold_little() {
    const ARENAS: libc::c_int = 4;
    const BLOCK: libc::c_int = 128 << 10;
    // What a batch takes is not asked of the system each time; [`give_back`] sees to the rest.
    const KEPT: libc::c_int = 4 << 20;
    let options = [
        (libc::M_ARENA_MAX, ARENAS),
        (libc::M_MMAP_THRESHOLD, BLOCK),
        (libc::M_TRIM_THRESHOLD, KEPT),
    ];
    for (option, value) in options {
        // SAFETY: it takes numbers only; one that it does not know is refused, and no harm done.
        unsafe { libc::mallopt(option, value) };
    }
}

/// Gives back what a storm or the start took and nobody uses any more; it lies between what is used.
#[cfg(target_env = "gnu")]
pub fn give_back() {
    // SAFETY: it looks at free blocks only, under the allocator's own locks.
    unsafe { libc::malloc_trim(0) };
}

/// Gives back the pages of the program's code: most of what the start ran is never run again, and
/// what is run is mapped again when it is.
#[cfg(target_env = "gnu")]
pub fn give_back_code() {
    let Ok(maps) = std::fs::read_to_string("/proc/self/maps") else { return };
    let Some((start, length)) = code(&maps, (give_back_code as *const ()).addr()) else { return };
    let start = std::ptr::without_provenance_mut(start);
    // SAFETY: the pages are of a file and can't be written, so that they are read from it again as
    // they were; no memory that Rust knows of changes.
    unsafe { libc::madvise(start, length, libc::MADV_DONTNEED) };
}

/// Where the code around an address lies, and how long it is.
#[cfg(target_env = "gnu")]
fn code(maps: &str, address: usize) -> Option<(usize, usize)> {
    let number = |text: &str| usize::from_str_radix(text, 16).ok();
    let segment = |line: &str| {
        let (range, rest) = line.split_once(' ')?;
        let (start, end) = range.split_once('-')?;
        let (start, end) = (number(start)?, number(end)?);
        let is_it = rest.starts_with("r-xp") && (start..end).contains(&address);
        is_it.then_some((start, end - start))
    };
    maps.lines().find_map(segment)
}

/// Other allocators are left as they are.
#[cfg(not(target_env = "gnu"))]
pub fn hold_little() {}

/// Other allocators are left as they are.
#[cfg(not(target_env = "gnu"))]
pub fn give_back() {}

/// Other systems are left to themselves.
#[cfg(not(target_env = "gnu"))]
pub fn give_back_code() {}

#[cfg(all(test, target_env = "gnu"))]
mod tests {
    use super::*;

    #[test]
    fn the_code_of_a_program_is_found_among_what_is_mapped() {
        let maps = "55d000-55e000 r--p 00000000 fe:00 12  /opt/a haetae\n\
            55e000-55f000 r-xp 00001000 fe:00 12  /opt/a haetae\n\
            560000-561000 rw-p 00002000 fe:00 12  /opt/a haetae\n\
            7fff00-7fff10 r-xp 00000000 00:00 0  [vdso]\n";
        assert_eq!(code(maps, 0x55_e010), Some((0x55_e000, 0x1000)));
        assert_eq!(code(maps, 0x56_0010), None);
        assert_eq!(code(maps, 0x57_0010), None);
    }

    #[test]
    fn a_program_goes_on_without_the_pages_of_its_code() {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        assert!(code(&maps, (give_back_code as *const ()).addr()).is_some());
        give_back_code();
        assert_eq!([3, 1, 2].iter().max(), Some(&3));
    }
}
