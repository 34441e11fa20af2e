// SPDX-License-Identifier: BSD-2-Clause
/// The `-- COMMAND` of a live run: started before tracing, let go once tracing is on.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "util/descriptor.h"
#include "util/result.h"

namespace tcpdwell {

class ChildCommand {
 public:
  /// Whether execvp() would find a program of that name: said before a line is written or a file
  /// made. Fault::Usage where it would not.
  static Status find(const std::string& name);
  /// Forks; the child waits for release(). Fault::Runtime if it cannot be made.
  static Result<ChildCommand> prepare(const std::vector<std::string>& words);
  ChildCommand(ChildCommand&& other) noexcept;
  ChildCommand& operator=(ChildCommand&&) = delete;
  /// A command never released never runs.
  ~ChildCommand();

  /// Lets it run. Fault::Usage when it cannot be executed.
  Status release();
  /// Nobody else's until end(), whenever it ends.
  pid_t pid() const { return pid_; }
  /// Becomes readable when the command has ended (a pidfd).
  int poll_fd() const { return pidfd_.get(); }
  /// Its end. If it still runs it gets SIGTERM, and SIGKILL if it has not ended 5 s later; what it
  /// started gets neither. Exit status, or 128 + signal.
  int end();

 private:
  ChildCommand() = default;
  bool ended_within_grace() const;
  pid_t pid_ = -1;
  Descriptor pidfd_;
  Descriptor go_;      ///< write end: one byte lets the child go
  Descriptor failed_;  ///< read end: errno of a failed execvp, or end of file
  std::string name_;
};

}  // namespace tcpdwell
