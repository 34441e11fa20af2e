// SPDX-License-Identifier: BSD-2-Clause
#include "run/child.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <utility>

#include "run/inherited.h"

namespace tcpdwell {
namespace {

/// What a command is given to end after SIGTERM: --help says so.
constexpr std::chrono::seconds kGrace{5};

[[noreturn]] void become(const std::vector<std::string>& words, int go, int failed) {
  char byte = 0;
  if (read(go, &byte, 1) != 1) _exit(0);  // the tracer failed first
  give_back();
  std::vector<char*> argv;
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  execvp(argv[0], argv.data());
  const int code = errno;
  [[maybe_unused]] const ssize_t told = write(failed, &code, sizeof code);
  _exit(127);
}

Error cannot_run(const std::string& name, int code) {
  return os_error(Fault::Usage, code, "cannot run " + name);
}

/// 0, or why this file cannot be executed.
int obstacle_to(const std::string& path) {
  struct stat st {};
  if (stat(path.c_str(), &st) != 0) return errno;
  if (!S_ISREG(st.st_mode)) return EACCES;
  return faccessat(AT_FDCWD, path.c_str(), X_OK, AT_EACCESS) == 0 ? 0 : errno;
}

/// As execvp() looks: a directory whose file may not be run is passed over, and told of in the end.
int obstacle_in_path(const std::string& name) {
  const char* path = std::getenv("PATH");
  std::string_view left = path != nullptr ? path : "/bin:/usr/bin";
  int obstacle = ENOENT;
  while (true) {
    const std::size_t colon = left.find(':');
    const std::string directory(left.substr(0, colon));
    const int here = obstacle_to(directory.empty() ? name : directory + "/" + name);
    if (here == 0) return 0;
    if (here == EACCES) obstacle = EACCES;
    if (colon == std::string_view::npos) return obstacle;
    left.remove_prefix(colon + 1);
  }
}

}  // namespace

Status ChildCommand::find(const std::string& name) {
  const bool is_path = name.find('/') != std::string::npos;
  const int obstacle = name.empty() ? ENOENT : is_path ? obstacle_to(name) : obstacle_in_path(name);
  return obstacle == 0 ? Status(Ok) : cannot_run(name, obstacle);
}

Result<ChildCommand> ChildCommand::prepare(const std::vector<std::string>& words) {
  int go[2], failed[2];
  if (pipe2(go, O_CLOEXEC) != 0 || pipe2(failed, O_CLOEXEC) != 0)
    return os_error(Fault::Runtime, errno, "cannot make a pipe");
  ChildCommand child;
  child.name_ = words.front();
  child.pid_ = fork();
  if (child.pid_ < 0) return os_error(Fault::Runtime, errno, "cannot fork");
  if (child.pid_ == 0) {
    close(go[1]);
    close(failed[0]);
    become(words, go[0], failed[1]);
  }
  close(go[0]);
  close(failed[1]);
  child.go_.reset(go[1]);
  child.failed_.reset(failed[0]);
  child.pidfd_.reset(static_cast<int>(syscall(SYS_pidfd_open, child.pid_, 0)));
  if (!child.pidfd_) return os_error(Fault::Runtime, errno, "cannot wait for the command");
  return child;
}

ChildCommand::ChildCommand(ChildCommand&&) noexcept = default;

ChildCommand::~ChildCommand() {
  const bool never_released = go_ && pid_ > 0;
  go_.reset();
  if (never_released) waitpid(pid_, nullptr, 0);
}

Status ChildCommand::release() {
  const char byte = 1;
  [[maybe_unused]] const ssize_t told = write(go_.get(), &byte, 1);
  go_.reset();
  int code = 0;
  if (read(failed_.get(), &code, sizeof code) != sizeof code) return Ok;
  waitpid(std::exchange(pid_, -1), nullptr, 0);
  return cannot_run(name_, code);
}

bool ChildCommand::ended_within_grace() const {
  using namespace std::chrono;
  const auto deadline = steady_clock::now() + kGrace;
  for (;;) {
    const auto left = duration_cast<milliseconds>(deadline - steady_clock::now()).count();
    if (left <= 0) return false;
    pollfd ended{pidfd_.get(), POLLIN, 0};
    if (poll(&ended, 1, static_cast<int>(left)) > 0) return true;
  }
}

int ChildCommand::end() {
  int status = 0;
  if (pid_ < 0) return 0;
  go_.reset();  // never released: it waits for that, and signals with it
  if (waitpid(pid_, &status, WNOHANG) == 0) {
    kill(pid_, SIGTERM);
    if (!ended_within_grace()) kill(pid_, SIGKILL);
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) continue;
  }
  pid_ = -1;
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace tcpdwell
