//! The allocator and the program's own pages: what a batch or the start took for a moment goes back to
//! the system.
//!
//! Measured with `make bench PART=restore` on two cores, glibc 2.36: with its own settings 100 000
//! series take 155 MB and 100 000 alarms are told in 14.8 s; with four arenas 141 MB and 13.6 s; with
//! one 139 MB and 18.9 s, since threads wait for each other. With `PART=rules`, ten thousand series
//! take 40.3 MB if blocks of 1 MB and more are asked of the system, 36.9 MB with those of 128 kB.
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

/// Gives back the pages of the program's files, its code and its constants: most of what the start
/// ran is never run again, and what is run is mapped again when it is.
#[cfg(target_env = "gnu")]
pub fn give_back_files() {
    let Ok(maps) = std::fs::read_to_string("/proc/self/smaps") else { return };
    for (start, length) in unchanged(&maps) {
        let start = std::ptr::without_provenance_mut(start);
        // SAFETY: the pages are of a file, can't be written and are as they are there, so that they
        // are read from it again; no memory that Rust knows of changes.
        unsafe { libc::madvise(start, length, libc::MADV_DONTNEED) };
    }
}

/// Where pages of files lie that can't be written and never were, and how many bytes they take.
///
/// What the linker wrote into before it closed it has pages of its own: it is left alone.
#[cfg(target_env = "gnu")]
fn unchanged(maps: &str) -> Vec<(usize, usize)> {
    let number = |text: &str| usize::from_str_radix(text, 16).ok();
    let mapping = |line: &str| {
        let mut words = line.split_whitespace();
        let (start, end) = words.next()?.split_once('-')?;
        let (start, end) = (number(start)?, number(end)?);
        let is_private = matches!(words.next()?, "r--p" | "r-xp");
        let is_of_a_file = words.nth(2).is_some_and(|inode| inode != "0");
        Some((start, end - start, is_private && is_of_a_file))
    };
    let mut unchanged = Vec::new();
    let mut last = None;
    for line in maps.lines() {
        if let Some((start, length, may)) = mapping(line) {
            last = may.then_some((start, length));
        } else if line.starts_with("Anonymous:") && line.ends_with(" 0 kB") {
            unchanged.extend(last);
        }
    }
    unchanged
}

/// Other allocators are left as they are.
#[cfg(not(target_env = "gnu"))]
pub fn hold_little() {}

/// Other allocators are left as they are.
#[cfg(not(target_env = "gnu"))]
pub fn give_back() {}

/// Other systems are left to themselves.
#[cfg(not(target_env = "gnu"))]
pub fn give_back_files() {}

#[cfg(all(test, target_env = "gnu"))]
mod tests {
    use super::*;

    const MAPS: &str = "\
55d000-55e000 r--p 00000000 fe:00 12   /opt/a haetae
Rss:                   4 kB
Anonymous:             0 kB
AnonHugePages:         0 kB
55e000-560000 r-xp 00001000 fe:00 12   /opt/a haetae
Anonymous:             0 kB
560000-561000 r--p 00002000 fe:00 12   /opt/a haetae
Anonymous:             4 kB
561000-562000 rw-p 00003000 fe:00 12   /opt/a haetae
Anonymous:             0 kB
562000-563000 r--s 00003000 fe:00 13   /run/state
Anonymous:             0 kB
7fff00-7fff10 r-xp 00000000 00:00 0    [vdso]
Anonymous:             0 kB
";

    #[test]
    fn pages_of_files_that_were_never_written_are_found_among_what_is_mapped() {
        assert_eq!(unchanged(MAPS), [(0x55_d000, 0x1000), (0x55_e000, 0x2000)]);
    }

    #[test]
    fn a_program_goes_on_without_the_pages_of_its_code() {
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let here = (give_back_files as *const ()).addr();
        let found = unchanged(&maps);
        assert!(found.iter().any(|(start, length)| (*start..*start + *length).contains(&here)));
        give_back_files();
        assert_eq!([3, 1, 2].iter().max(), Some(&3));
    }
}
