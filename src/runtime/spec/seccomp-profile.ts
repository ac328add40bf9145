import type { SeccompProfile, SeccompProfileRule } from './seccomp.ts';

/** What every container may call, by purpose. The same calls as Docker's default profile allows without conditions. */
const ALLOWED: readonly string[] = [
  // Open files and their descriptors
  'close close_range creat dup dup2 dup3 fcntl fcntl64 flock name_to_handle_at open openat openat2',
  // Read and write
  `_llseek copy_file_range fadvise64 fadvise64_64 fallocate fdatasync fsync ftruncate ftruncate64 lseek pread64
   preadv preadv2 pwrite64 pwritev pwritev2 read readahead readv sendfile sendfile64 splice sync sync_file_range
   syncfs tee truncate truncate64 vmsplice write writev`,
  // Directories, links and names
  `chdir fchdir getcwd getdents getdents64 link linkat mkdir mkdirat mknod mknodat readlink readlinkat rename
   renameat renameat2 rmdir symlink symlinkat unlink unlinkat`,
  // What is known of a file
  `access cachestat chmod chown chown32 faccessat faccessat2 fchmod fchmodat fchmodat2 fchown fchown32 fchownat
   fstat fstat64 fstatat64 fstatfs fstatfs64 futimesat lchown lchown32 listmount lstat lstat64 newfstatat stat
   stat64 statfs statfs64 statmount statx umask utime utimensat utimensat_time64 utimes`,
  // Extended attributes
  `fgetxattr flistxattr fremovexattr fsetxattr getxattr getxattrat lgetxattr listxattr listxattrat llistxattr
   lremovexattr lsetxattr removexattr removexattrat setxattr setxattrat`,
  // What has changed in a file system
  'fanotify_mark inotify_add_watch inotify_init inotify_init1 inotify_rm_watch',
  // Waiting for descriptors
  `_newselect epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old
   eventfd eventfd2 poll ppoll ppoll_time64 pselect6 pselect6_time64 select signalfd signalfd4 timerfd_create
   timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64`,
  // Asynchronous input and output, but for io_uring
  'io_cancel io_destroy io_getevents io_pgetevents io_pgetevents_time64 io_setup io_submit',
  // Pipes, devices and terminals
  'ioctl pipe pipe2',
  // Sockets; socket() itself is further below
  `accept accept4 bind connect getpeername getsockname getsockopt listen recv recvfrom recvmmsg recvmmsg_time64
   recvmsg send sendmmsg sendmsg sendto setsockopt shutdown socketpair`,
  // Memory
  `brk madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mlock mlock2 mlockall mmap mmap2
   mprotect mremap mseal msync munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect process_mrelease
   remap_file_pages`,
  // System V and POSIX communication
  `ipc mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64
   mq_unlink msgctl msgget msgrcv msgsnd semctl semget semop semtimedop semtimedop_time64 shmat shmctl shmdt shmget`,
  // Processes and threads
  `arch_prctl capget capset execve execveat exit exit_group fork get_robust_list get_thread_area getpgid getpgrp
   getpid getppid getsid gettid modify_ldt pidfd_open pidfd_send_signal prctl rseq seccomp set_robust_list
   set_thread_area set_tid_address setpgid setsid vfork wait4 waitid waitpid`,
  // Locks
  'futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake',
  // Signals
  `kill pause restart_syscall rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend
   rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo sigaltstack sigprocmask sigreturn tgkill tkill`,
  // Users and groups
  `getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 getresgid getresgid32 getresuid
   getresuid32 getuid getuid32 setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups setgroups32
   setregid setregid32 setresgid setresgid32 setresuid setresuid32 setreuid setreuid32 setuid setuid32`,
  // Scheduling and limits
  `getcpu getpriority getrlimit getrusage ioprio_get ioprio_set prlimit64 sched_get_priority_max
   sched_get_priority_min sched_getaffinity sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval
   sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam sched_setscheduler sched_yield
   setpriority setrlimit times ugetrlimit`,
  // Time
  `adjtimex alarm clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64
   clock_nanosleep clock_nanosleep_time64 getitimer gettimeofday nanosleep setitimer time timer_create timer_delete
   timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64`,
  // The machine
  'getrandom sysinfo uname',
  // Rules a process lays upon itself
  'landlock_add_rule landlock_create_ruleset landlock_restrict_self',
  // All socket calls of 32-bit x86 in one
  'socketcall',
  // Probes the kernel itself puts into a program
  'uretprobe',
];

/** CLONE_NEWNS | NEWCGROUP | NEWUTS | NEWIPC | NEWUSER | NEWPID | NEWNET (include/uapi/linux/sched.h). */
const CLONE_NEW = 0x7e020000;
const AF_ALG = 38;
const AF_NFC = 39;
const AF_VSOCK = 40;
/** PER_LINUX, PER_LINUX32, UNAME26, UNAME26 | PER_LINUX32, and the question for the present one (personality(2)). */
const PERSONALITIES = [0, 8, 0x20000, 0x20008, 0xffffffff];
const ENOSYS = 38;

/** What a capability brings with it. */
const BY_CAPABILITY: Readonly<Record<string, string>> = {
  CAP_BPF: 'bpf',
  CAP_DAC_READ_SEARCH: 'open_by_handle_at',
  CAP_PERFMON: 'perf_event_open',
  CAP_SYS_ADMIN: `bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie lsm_get_self_attr
    lsm_list_modules lsm_set_self_attr mount mount_setattr move_mount open_tree perf_event_open quotactl quotactl_fd
    setdomainname sethostname setns syslog umount umount2 unshare`,
  CAP_SYS_BOOT: 'reboot',
  CAP_SYS_CHROOT: 'chroot',
  CAP_SYS_MODULE: 'delete_module finit_module init_module',
  CAP_SYS_NICE: 'get_mempolicy mbind set_mempolicy set_mempolicy_home_node',
  CAP_SYS_PACCT: 'acct',
  CAP_SYS_PTRACE: 'kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace',
  CAP_SYS_RAWIO: 'ioperm iopl',
  CAP_SYS_TIME: 'clock_settime clock_settime64 settimeofday stime',
  CAP_SYS_TTY_CONFIG: 'vhangup',
  CAP_SYSLOG: 'syslog',
};

function names(text: string): string[] {
  return text.trim().split(/\s+/);
}

function allow(text: string, condition: Partial<SeccompProfileRule> = {}): SeccompProfileRule {
  return { names: names(text), action: 'SCMP_ACT_ALLOW', ...condition };
}

/**
 * The default profile, in Docker's format and with its effect, written here: what is not named fails with EPERM.
 * Why here: docs/decisions/0003-seccomp.md. Not among the architectures is x32, which Debian's kernels switch off
 * and which costs a start 4 ms.
 */
export const DEFAULT_PROFILE: SeccompProfile = {
  defaultAction: 'SCMP_ACT_ERRNO',
  defaultErrnoRet: 1,
  archMap: [
    { architecture: 'SCMP_ARCH_X86_64', subArchitectures: ['SCMP_ARCH_X86'] },
    { architecture: 'SCMP_ARCH_AARCH64', subArchitectures: ['SCMP_ARCH_ARM'] },
  ],
  syscalls: [
    allow(ALLOWED.join(' ')),
    allow('arm_fadvise64_64 arm_sync_file_range breakpoint cacheflush set_tls sync_file_range2', {
      includes: { arches: ['arm', 'arm64'] },
    }),
    // Before 4.8, a tracer could get around seccomp.
    allow('process_vm_readv process_vm_writev ptrace', { includes: { minKernel: '4.8' } }),
    // All families but two: AF_ALG lets anyone into the kernel's cryptography, AF_VSOCK reaches the hypervisor.
    allow('socket', { args: [{ index: 0, value: AF_ALG, op: 'SCMP_CMP_LT' }] }),
    allow('socket', { args: [{ index: 0, value: AF_NFC, op: 'SCMP_CMP_EQ' }] }),
    allow('socket', { args: [{ index: 0, value: AF_VSOCK, op: 'SCMP_CMP_GT' }] }),
    ...PERSONALITIES.map((value) => allow('personality', { args: [{ index: 0, value, op: 'SCMP_CMP_EQ' }] })),
    allow('clone', {
      args: [{ index: 0, value: CLONE_NEW, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' }],
      excludes: { caps: ['CAP_SYS_ADMIN'] },
    }),
    // clone3's flags lie in memory, where seccomp does not see them; ENOSYS makes the C library take clone.
    {
      names: ['clone3'],
      action: 'SCMP_ACT_ERRNO',
      errnoRet: ENOSYS,
      excludes: { caps: ['CAP_SYS_ADMIN'] },
    },
    ...Object.entries(BY_CAPABILITY).map(([capability, calls]) => allow(calls, { includes: { caps: [capability] } })),
  ],
};
