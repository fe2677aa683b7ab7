//! Giving memory back.

/// Returns to the kernel what was freed but kept by the allocator, such as all that reading a large configuration took.
pub fn release_free() {
    #[cfg(target_env = "gnu")]
    // SAFETY: takes no pointer and touches only memory the allocator knows to be free; it may be called at any time.
    unsafe {
        libc::malloc_trim(0);
    }
}
