// The filter of system calls behind -o drop_privileges: what is not on the list of CSystem/filter.h fails with EACCES
// from then on, in every thread. It stops new sockets, other programs, more threads and processes, memory that can be
// run, signals to others, and changes of user. It is no replacement for file permissions.
import CSystem
import Glibc

public enum SystemCallFilter {
  private static let loadWord: UInt16 = 0x20  // BPF_LD | BPF_W | BPF_ABS
  private static let jumpIfEqual: UInt16 = 0x15  // BPF_JMP | BPF_JEQ | BPF_K
  private static let jumpIfAnySet: UInt16 = 0x45  // BPF_JMP | BPF_JSET | BPF_K
  private static let answer: UInt16 = 0x06  // BPF_RET | BPF_K

  private static let allow: UInt32 = 0x7fff_0000  // SECCOMP_RET_ALLOW
  private static let refuse: UInt32 = 0x0005_0000 | UInt32(EACCES)  // SECCOMP_RET_ERRNO
  private static let killProcess: UInt32 = 0x8000_0000  // SECCOMP_RET_KILL_PROCESS

  // Offsets in struct seccomp_data; arguments are read by their low half, which holds all of what is looked at.
  private static let numberOffset: UInt32 = 0
  private static let architectureOffset: UInt32 = 4
  private static func argumentOffset(_ index: UInt32) -> UInt32 { 16 + index * 8 }

  /// Installs the filter on all threads; nil or why it could not be.
  public static func install() -> String? {
    guard csystem_architecture() != 0 else { return "no filter is written for this architecture" }
    let program = instructions(processID: UInt32(bitPattern: getpid()))
    // Rule 8: the array is valid during the call; the kernel copies it.
    let result = unsafe program.withUnsafeBufferPointer {
      unsafe csystem_install_filter($0.baseAddress, UInt16($0.count))
    }
    return result == 0 ? nil : SystemCalls.errorText(errno)
  }

  private static func instructions(processID: UInt32) -> [csystem_instruction] {
    var program = [
      step(loadWord, architectureOffset), step(jumpIfEqual, csystem_architecture(), ifTrue: 1),
      step(answer, killProcess), step(loadWord, numberOffset),
    ]
    var index: Int32 = 0
    while csystem_allowed_call(index) >= 0 {
      program += [step(jumpIfEqual, UInt32(csystem_allowed_call(index)), ifFalse: 1), step(answer, allow)]
      index += 1
    }
    for call in [csystem_call_kill(), csystem_call_tgkill()] {
      program += judged(call, argument: 0, step(jumpIfEqual, processID, ifFalse: 1), step(answer, allow))
    }
    for call in [csystem_call_mmap(), csystem_call_mprotect()] {
      program += judged(
        call, argument: 2, step(jumpIfAnySet, UInt32(PROT_EXEC), ifTrue: 1), step(answer, allow))
    }
    return program + [step(answer, refuse)]
  }

  /// The steps for a call of which one argument decides: `test` goes on to `verdict`, or past it to a refusal.
  private static func judged(
    _ call: Int32, argument: UInt32, _ test: csystem_instruction, _ verdict: csystem_instruction
  ) -> [csystem_instruction] {
    [
      step(jumpIfEqual, UInt32(call), ifFalse: 4), step(loadWord, argumentOffset(argument)), test, verdict,
      step(answer, refuse),
    ]
  }

  private static func step(
    _ code: UInt16, _ operand: UInt32, ifTrue: UInt8 = 0, ifFalse: UInt8 = 0
  ) -> csystem_instruction {
    csystem_instruction(code: code, if_true: ifTrue, if_false: ifFalse, operand: operand)
  }
}
