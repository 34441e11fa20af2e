// SPDX-License-Identifier: BSD-2-Clause
#include "capture/seeds.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <tcpdwell/event.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "capture/probe.h"
#include "util/descriptor.h"

namespace tcpdwell {
namespace {

namespace fs = std::filesystem;

struct LinkFree {
  void operator()(bpf_link* link) const { bpf_link__destroy(link); }
};
using Link = std::unique_ptr<bpf_link, LinkFree>;

/// By the file system it is of, which can be asked for without opening anything: what is no
/// namespace may be a device, or a pipe that waits for its other end.
bool is_namespace(const fs::path& path) {
  struct statfs about {};
  return statfs(path.c_str(), &about) == 0 && about.f_type == NSFS_MAGIC;
}

/// Namespaces by inode number, each with a descriptor that keeps it alive.
class Namespaces {
 public:
  void add(const fs::path& path) {
    Descriptor fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (fd.get() < 0 && errno == EACCES) ++refused_;
    add(std::move(fd));
  }
  /// A name under /run/netns: what was not unmounted is a plain file, as any other file may be.
  void add_named(const fs::path& path) {
    if (is_namespace(path)) add(path);
  }
  void add(Descriptor fd) {
    struct stat st {};
    if (fd.get() >= 0 && ioctl(fd.get(), NS_GET_NSTYPE) == CLONE_NEWNET &&
        fstat(fd.get(), &st) == 0)
      found_.try_emplace(st.st_ino, std::move(fd));
  }
  const std::map<ino_t, Descriptor>& all() const { return found_; }
  unsigned refused() const { return refused_; }

 private:
  std::map<ino_t, Descriptor> found_;
  unsigned refused_ = 0;
};

/// Of this process, which it need not enter; 0 if not to be found out.
ino_t own_namespace() {
  struct stat st {};
  return stat("/proc/self/ns/net", &st) == 0 ? st.st_ino : 0;
}

/// Of every process, and the named ones nobody is in (`ip netns`).
Namespaces find_namespaces() {
  Namespaces namespaces;
  std::error_code ignored;
  namespaces.add("/proc/self/ns/net");
  for (const auto& entry : fs::directory_iterator("/proc", ignored)) {
    const std::string name = entry.path().filename();
    if (name.front() >= '1' && name.front() <= '9') namespaces.add(entry.path() / "ns/net");
  }
  for (const auto& entry : fs::directory_iterator("/run/netns", ignored))
    namespaces.add_named(entry.path());
  return namespaces;
}

Error iterator_error(const char* what) {
  return {Fault::Runtime, fmt::format("cannot walk {}: {}", what, std::strerror(errno)), errno};
}

/// An iterator belongs to the namespace of the thread that makes it. Entering one takes
/// CAP_SYS_ADMIN, even the own (setns(2)).
Result<Descriptor> iterator_in(int link, int netns, bool own) {
  int fd = -1, code = 0;
  const auto make = [&] {
    fd = bpf_iter_create(link);
    if (fd < 0) code = errno;
  };
  if (own) {
    make();
  } else {
    std::thread([&] {
      if (setns(netns, CLONE_NEWNET) == 0)
        make();
      else
        code = errno;
    }).join();
  }
  if (fd < 0) return os_error(Fault::Runtime, code, "cannot be entered");
  return Descriptor(fd);
}

/// The records of sockets.
class Records {
 public:
  Records(const SeedPlan& plan, std::uint64_t& count) : plan_(plan), count_(count) {}
  Status read(int fd, const char* what) const {
    return read_records(
        fd, what, sizeof(td_event),
        [this](const char* record) {
          ++count_;
          return plan_.on_record(record, sizeof(td_event));
        },
        plan_.between);
  }

 private:
  const SeedPlan& plan_;
  std::uint64_t& count_;
};

/// An iterator over all open files, of every network namespace.
template <class Read>
Status walk_files(bpf_program* program, const Read& read_it) {
  const Link link(bpf_program__attach_iter(program, nullptr));
  if (!link) return iterator_error("open files");
  const Descriptor iterator(bpf_iter_create(bpf_link__fd(link.get())));
  return iterator.get() < 0 ? Status(iterator_error("open files")) : read_it(iterator.get());
}

Status walk_owners(const SeedPlan& plan) {
  return walk_files(plan.owners, [&](int fd) {
    return read_records(
        fd, "open files", sizeof(td_holder),
        [&](const char* record) -> Status {
          td_holder holder;
          std::memcpy(&holder, record, sizeof holder);
          if (plan.on_holder) plan.on_holder(holder);
          return Ok;
        },
        plan.between);
  });
}

/// Who has what open may have changed while it was walked over: once more, of what is still open.
Status confirm(const SeedPlan& plan, int link, const Namespaces& namespaces) {
  if (Status status = walk_owners(plan); !status) return status;
  *plan.look_again = 1;
  Status status = Ok;
  for (const auto& [inode, netns] : namespaces.all()) {
    if (!status) break;
    if (plan.netns && *plan.netns != inode) continue;
    const auto iterator = iterator_in(link, netns.get(), inode == own_namespace());
    if (!iterator) continue;
    status = read_records(
        iterator->get(), "sockets", sizeof(std::uint64_t),
        [&](const char* record) -> Status {
          std::uint64_t cookie = 0;
          std::memcpy(&cookie, record, sizeof cookie);
          plan.on_open(cookie);
          return Ok;
        },
        plan.between);
  }
  *plan.look_again = 0;
  return status;
}

}  // namespace

Status read_records(int fd, const char* what, std::size_t size,
                    const std::function<Status(const char* record)>& take,
                    const std::function<Status()>& between) {
  std::vector<char> buffer(512 * size);
  std::size_t kept = 0;  // a read may end inside a record
  for (;;) {
    const ssize_t got = read(fd, buffer.data() + kept, buffer.size() - kept);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got < 0) return iterator_error(what);
    if (got == 0) return Ok;
    const std::size_t have = kept + static_cast<std::size_t>(got);
    std::size_t at = 0;
    for (; at + size <= have; at += size)
      if (Status status = take(buffer.data() + at); !status) return status;
    std::copy(buffer.begin() + static_cast<std::ptrdiff_t>(at),
              buffer.begin() + static_cast<std::ptrdiff_t>(have), buffer.begin());
    kept = have - at;
    if (Status status = between(); !status) return status;
  }
}

Result<SeedReport> walk_sockets(const SeedPlan& plan) {
  SeedReport report;
  if (Status status = walk_owners(plan); !status) return status.error();
  const Link link(bpf_program__attach_iter(plan.sockets, nullptr));
  if (!link) return iterator_error("sockets");
  const Namespaces namespaces = find_namespaces();
  const Records records(plan, report.sockets);
  // With the capability it is some process that a security module hides; its namespace is nearly
  // always another's too.
  if (!plan.netns && !has_capability(CAP_SYS_PTRACE))
    report.unseen_processes = namespaces.refused();
  for (const auto& [inode, netns] : namespaces.all()) {
    if (plan.netns && *plan.netns != inode) continue;
    const auto iterator =
        iterator_in(bpf_link__fd(link.get()), netns.get(), inode == own_namespace());
    if (!iterator) {
      ++report.unreachable;
      report.unreachable_why = iterator.error().os_errno;
      continue;
    }
    ++report.namespaces;
    if (plan.on_namespace) plan.on_namespace(static_cast<std::uint32_t>(inode));
    if (Status status = records.read(iterator->get(), "sockets"); !status) return status.error();
  }
  if (plan.files != nullptr) {
    const Status status =
        walk_files(plan.files, [&](int fd) { return records.read(fd, "open files"); });
    if (!status) return status.error();
  }
  if (plan.doubts && plan.doubts())
    if (Status status = confirm(plan, bpf_link__fd(link.get()), namespaces); !status)
      return status.error();
  return report;
}

}  // namespace tcpdwell
