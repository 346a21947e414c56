//! The few system calls that the standard library does not have.
#![expect(unsafe_code, reason = "libc calls on memory of our own; each says why it is sound")]

use std::io;

/// CPUs this process may run on, from its affinity mask, in rising order. Never empty.
// spec: runtime R8
pub fn available_cpus() -> Vec<usize> {
    // SAFETY: an all-zero cpu_set_t is a valid empty set.
    let mut set: libc::cpu_set_t = unsafe { core::mem::zeroed() };
    // SAFETY: `set` outlives the call and its true size is given.
    let failed = unsafe { libc::sched_getaffinity(0, size_of_val(&set), &mut set) };
    let mut cpus = Vec::new();
    if failed == 0 {
        // SAFETY: the index stays below CPU_SETSIZE, the number of bits in the set.
        cpus.extend(
            (0..libc::CPU_SETSIZE as usize).filter(|&cpu| unsafe { libc::CPU_ISSET(cpu, &set) }),
        );
    }
    if cpus.is_empty() {
        // A machine with more CPUs than the set has bits refuses the call; counting from 0 is then the best guess.
        cpus.extend(0..std::thread::available_parallelism().map_or(1, usize::from));
    }
    cpus
}

/// How many cores to run when nobody says: the affinity mask, capped by the CPU quota of the cgroup.
// spec: runtime R8
pub fn default_cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(available_cpus().len())
}

/// Pins the calling thread to one CPU.
pub(super) fn pin(cpu: usize) -> io::Result<()> {
    if cpu >= libc::CPU_SETSIZE as usize {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    // SAFETY: an all-zero cpu_set_t is a valid empty set.
    let mut set: libc::cpu_set_t = unsafe { core::mem::zeroed() };
    // SAFETY: `cpu` is below CPU_SETSIZE, checked above.
    unsafe { libc::CPU_SET(cpu, &mut set) };
    // SAFETY: `set` outlives the call and its true size is given; 0 means this thread.
    if unsafe { libc::sched_setaffinity(0, size_of_val(&set), &set) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// A write to a closed connection must be an error code, not the end of the process.
pub(super) fn ignore_sigpipe() {
    // SAFETY: SIG_IGN installs no handler of ours.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
}

/// Resources whose soft limit a process may raise up to the hard one.
#[derive(Clone, Copy, Debug)]
pub(super) enum Resource {
    Memlock,
    Files,
}

/// Raises the soft limit to the hard one; gives the soft limit that holds afterwards.
pub(super) fn raise_limit(resource: Resource) -> u64 {
    let which = match resource {
        Resource::Memlock => libc::RLIMIT_MEMLOCK,
        Resource::Files => libc::RLIMIT_NOFILE,
    };
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid place for the answer.
    if unsafe { libc::getrlimit(which, &mut limit) } != 0 {
        return 0;
    }
    let before = limit.rlim_cur;
    if limit.rlim_cur < limit.rlim_max {
        limit.rlim_cur = limit.rlim_max;
        // SAFETY: `limit` is initialised and only read.
        if unsafe { libc::setrlimit(which, &limit) } != 0 {
            return before;
        }
    }
    limit.rlim_cur
}

/// True for root, whose locked memory the kernel does not count.
pub(super) fn is_root() -> bool {
    // SAFETY: geteuid cannot fail and touches no memory.
    unsafe { libc::geteuid() == 0 }
}

/// Asks the kernel for a small ring and gives it back at once. The error is the kernel's.
pub(super) fn probe_io_uring() -> io::Result<()> {
    // struct io_uring_params: 120 bytes, all zero asks for defaults.
    let mut params = [0u32; 30];
    // SAFETY: `params` is as large as the structure that the kernel reads and fills in.
    let fd = unsafe { libc::syscall(libc::SYS_io_uring_setup, 8, params.as_mut_ptr()) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel just gave us this descriptor and nobody else knows it.
    unsafe { libc::close(fd as libc::c_int) };
    Ok(())
}
