//! The few classic BPF instructions our socket filters need (`linux/filter.h`).

use std::io;
use std::os::fd::AsFd;

use libc::sock_filter;
use socket2::{SockFilter, SockRef};

/// Sets the filter of a socket, replacing an earlier one.
pub fn attach(socket: &impl AsFd, program: &[sock_filter]) -> io::Result<()> {
    let program: Vec<_> =
        program.iter().map(|&sock_filter { code, jt, jf, k }| SockFilter::new(code, jt, jf, k)).collect();
    SockRef::from(socket).attach_filter(&program)
}

/// Load the byte at a fixed place.
pub const fn load_byte(at: u32) -> sock_filter {
    sock_filter { code: (libc::BPF_LD | libc::BPF_B | libc::BPF_ABS) as u16, jt: 0, jf: 0, k: at }
}

/// Load two bytes at a fixed place, big-endian.
pub const fn load_half(at: u32) -> sock_filter {
    sock_filter { code: (libc::BPF_LD | libc::BPF_H | libc::BPF_ABS) as u16, jt: 0, jf: 0, k: at }
}

/// Load four bytes at a fixed place, big-endian.
pub const fn load_word(at: u32) -> sock_filter {
    sock_filter { code: (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16, jt: 0, jf: 0, k: at }
}

/// Load the byte at a place counted from the index register.
pub const fn load_byte_indexed(at: u32) -> sock_filter {
    sock_filter { code: (libc::BPF_LD | libc::BPF_B | libc::BPF_IND) as u16, jt: 0, jf: 0, k: at }
}

/// Load two bytes, big-endian, at a place counted from the index register.
pub const fn load_half_indexed(at: u32) -> sock_filter {
    sock_filter { code: (libc::BPF_LD | libc::BPF_H | libc::BPF_IND) as u16, jt: 0, jf: 0, k: at }
}

/// Set the index register to the length of the IPv4 header that starts at a fixed place.
pub const fn index_behind_ipv4_header(at: u32) -> sock_filter {
    sock_filter { code: (libc::BPF_LDX | libc::BPF_B | libc::BPF_MSH) as u16, jt: 0, jf: 0, k: at }
}

/// Skip `yes` instructions if what was loaded equals `value`, else `no`.
pub const fn jump_if_equal(value: u32, yes: u8, no: u8) -> sock_filter {
    sock_filter { code: (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16, jt: yes, jf: no, k: value }
}

/// Skip `yes` instructions if what was loaded is at least `value`, else `no`.
pub const fn jump_if_at_least(value: u32, yes: u8, no: u8) -> sock_filter {
    sock_filter { code: (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16, jt: yes, jf: no, k: value }
}

/// Skip `yes` instructions if what was loaded is more than `value`, else `no`.
pub const fn jump_if_more(value: u32, yes: u8, no: u8) -> sock_filter {
    sock_filter { code: (libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K) as u16, jt: yes, jf: no, k: value }
}

/// Skip so many instructions.
pub const fn jump(over: u32) -> sock_filter {
    sock_filter { code: (libc::BPF_JMP | libc::BPF_JA) as u16, jt: 0, jf: 0, k: over }
}

/// End: hand so many bytes of the packet to the socket; zero drops it.
pub const fn give(bytes: u32) -> sock_filter {
    sock_filter { code: (libc::BPF_RET | libc::BPF_K) as u16, jt: 0, jf: 0, k: bytes }
}
