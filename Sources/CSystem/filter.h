// The numbers of the system calls that a serving process may make, and installing a filter of them. The numbers are
// macros that differ from one architecture to the next, which Swift cannot import; the filter itself is written in
// Events/SystemCallFilter.swift. Nothing here keeps state.
#pragma once
#include <stdint.h>
#include <sys/syscall.h>

long syscall(long number, ...);
int prctl(int option, ...);

/// One instruction of a filter, as the kernel has it (struct sock_filter).
struct csystem_instruction {
  uint16_t code;
  uint8_t if_true, if_false;
  uint32_t operand;
};

/// AUDIT_ARCH_*: which table of numbers a call is looked up in. 0 is an architecture no filter is written for.
#if defined(__x86_64__)
#define CSYSTEM_ARCHITECTURE 0xc000003eu
#elif defined(__aarch64__)
#define CSYSTEM_ARCHITECTURE 0xc00000b7u
#else
#define CSYSTEM_ARCHITECTURE 0u
#endif
static inline uint32_t csystem_architecture(void) { return CSYSTEM_ARCHITECTURE; }

/// The calls that are allowed whatever their arguments, by index; negative behind the last one.
static inline int csystem_allowed_call(int index) {
  static const int calls[] = {
      // Connections and datagrams.
      SYS_accept4, SYS_recvfrom, SYS_recvmsg, SYS_sendto, SYS_sendmsg, SYS_read, SYS_readv, SYS_write, SYS_writev,
      SYS_close, SYS_shutdown, SYS_listen, SYS_setsockopt, SYS_getsockopt, SYS_getsockname, SYS_getpeername, SYS_fcntl,
      SYS_ioctl, SYS_eventfd2,
      // Waiting and time.
      SYS_epoll_ctl, SYS_epoll_pwait, SYS_ppoll, SYS_futex, SYS_nanosleep, SYS_clock_nanosleep, SYS_clock_gettime,
      SYS_clock_getres, SYS_gettimeofday, SYS_timerfd_create, SYS_timerfd_settime, SYS_timerfd_gettime, SYS_sched_yield,
      SYS_restart_syscall,
#ifdef SYS_epoll_wait
      SYS_epoll_wait, SYS_poll, SYS_time,
#endif
#ifdef SYS_epoll_pwait2
      SYS_epoll_pwait2,
#endif
      // Memory.
      SYS_brk, SYS_munmap, SYS_mremap, SYS_madvise, SYS_msync, SYS_mlock, SYS_membarrier,
      // Signals and the end of threads and the process.
      SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_sigaltstack, SYS_exit, SYS_exit_group,
      SYS_set_robust_list, SYS_getpid, SYS_gettid, SYS_getuid, SYS_geteuid,
      SYS_getgid, SYS_getegid,
      // Figures of the process and the machine.
      SYS_getrusage, SYS_getrandom, SYS_sched_getaffinity, SYS_sysinfo, SYS_uname,
      // Files: what is read again on a signal, what is kept over a restart, the pid file. Permissions are the user's.
      SYS_openat, SYS_fstat, SYS_newfstatat, SYS_lseek, SYS_pread64, SYS_pwrite64, SYS_ftruncate, SYS_fallocate,
      SYS_fsync, SYS_fdatasync, SYS_flock, SYS_unlinkat, SYS_renameat, SYS_renameat2, SYS_fchmod,
#ifdef SYS_open
      SYS_open, SYS_stat, SYS_lstat, SYS_unlink, SYS_rename,
#endif
#ifdef SYS_rseq
      SYS_rseq,
#endif
  };
  return index < (int)(sizeof calls / sizeof calls[0]) ? calls[index] : -1;
}

/// Calls whose arguments decide: signals to nobody but this process, no memory that can be run.
static inline int csystem_call_kill(void) { return SYS_kill; }
static inline int csystem_call_tgkill(void) { return SYS_tgkill; }
static inline int csystem_call_mmap(void) { return SYS_mmap; }
static inline int csystem_call_mprotect(void) { return SYS_mprotect; }

/// Gives every thread of the process, now and later, the filter, for good; 0, or -1 with errno set.
/// PR_SET_NO_NEW_PRIVS 38, SECCOMP_SET_MODE_FILTER 1, SECCOMP_FILTER_FLAG_TSYNC 1.
static inline long csystem_install_filter(const struct csystem_instruction *instructions, uint16_t count) {
  struct {
    uint16_t count;
    const struct csystem_instruction *instructions;
  } program = {count, instructions};
  if (prctl(38, 1L, 0L, 0L, 0L) != 0) return -1;
  return syscall(SYS_seccomp, 1L, 1L, &program);
}
