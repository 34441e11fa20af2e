// SPDX-License-Identifier: BSD-2-Clause
#include "util/create.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <optional>

#include "util/descriptor.h"

namespace tcpdwell {
namespace {

/// Appending: where the file is truncated meanwhile (copytruncate), what follows leaves no hole.
constexpr int kWriting = O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY;
constexpr int kMostLinks = 40;  // as the kernel's MAXSYMLINKS

/// Not flock(): this one tells who has it, and a file system of the network knows it too. Where
/// there are no locks there is no telling.
Status lock(int fd, const std::string& path) {
  struct flock whole {};
  whole.l_type = F_WRLCK;
  whole.l_whence = SEEK_SET;
  if (fcntl(fd, F_SETLK, &whole) == 0 || (errno != EAGAIN && errno != EACCES)) return Ok;
  const bool known = fcntl(fd, F_GETLK, &whole) == 0 && whole.l_type != F_UNLCK && whole.l_pid > 0;
  return Error{Fault::Runtime,
               fmt::format("cannot write to {}: {} is writing it", path,
                           known ? fmt::format("process {}", whole.l_pid) : "another process"),
               EBUSY};
}

/// Only what is ours alone is emptied.
Result<int> begin_anew(int opened, const std::string& path, const Spare& spare) {
  Descriptor fd(opened);
  struct stat about {};
  if (fstat(fd.get(), &about) != 0 || !S_ISREG(about.st_mode)) return fd.take();
  if (Status locked = lock(fd.get(), path); !locked) return locked.error();
  if (spare && about.st_size > 0)
    if (Status may = spare(fmt::format("/proc/self/fd/{}", fd.get())); !may) return may.error();
  if (ftruncate(fd.get(), 0) != 0) return cannot_create(path, errno);
  return fd.take();
}

/// Of a relative link in `at`.
std::string beside(const std::string& at, const std::string& target) {
  return target.starts_with('/') ? target : at.substr(0, at.rfind('/') + 1) + target;
}

/// Nobody but root puts a name there, whoever root is in this user namespace.
bool directly_in_dev(const std::string& at) {
  return at.starts_with("/dev/") && at.find('/', 5) == std::string::npos;
}

/// Where the link `at` leads; absent for one of the kernel's own (/proc/self/fd/1), which is not a
/// path.
Result<std::optional<std::string>> target_of(const std::string& at, const std::string& path) {
  const Descriptor link(open(at.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  struct stat about {};
  struct statfs where {};
  if (link.get() < 0 || fstat(link.get(), &about) != 0 || fstatfs(link.get(), &where) != 0)
    return cannot_create(path, errno);
  if (!S_ISLNK(about.st_mode)) return cannot_create(path, ELOOP);  // it was one a moment ago
  if (where.f_type == PROC_SUPER_MAGIC) return std::optional<std::string>();
  if (about.st_uid != 0 && about.st_uid != geteuid() && !directly_in_dev(at))
    return Error{Fault::Runtime,
                 fmt::format("cannot create {}: it is a link that user {} made; name the file it "
                             "leads to",
                             path, about.st_uid),
                 ELOOP};
  std::array<char, PATH_MAX> target;
  const ssize_t size = readlinkat(link.get(), "", target.data(), target.size());
  if (size < 0) return cannot_create(path, errno);
  return std::optional(beside(at, std::string(target.data(), static_cast<std::size_t>(size))));
}

}  // namespace

Error cannot_create(const std::string& path, int reason) {
  const std::string what = "cannot create " + path;
  const std::string directory = path.substr(0, path.rfind('/') + 1);
  if (reason == ENOENT && !directory.empty() && access(directory.c_str(), F_OK) != 0 &&
      errno == ENOENT)
    return {Fault::Runtime, fmt::format("{}: there is no directory {}", what, directory), reason};
  return os_error(Fault::Runtime, reason, what);
}

Result<int> open_to_write(const std::string& path, mode_t mode, const Spare& spare) {
  std::string at = path;
  for (int links = 0; links <= kMostLinks; ++links) {
    int fd = open(at.c_str(), kWriting | O_CREAT | O_NOFOLLOW, mode);
    if (fd >= 0) return begin_anew(fd, path, spare);
    if (errno != ELOOP) return cannot_create(path, errno);
    auto target = target_of(at, path);
    if (!target) return target.error();
    if (!*target) {
      fd = open(at.c_str(), kWriting);
      return fd >= 0 ? begin_anew(fd, path, spare) : Result<int>(cannot_create(path, errno));
    }
    at = **target;
  }
  return cannot_create(path, ELOOP);
}

Result<int> make_file(int directory, const std::string& name, mode_t mode,
                      const std::string& shown) {
  Descriptor fd(openat(directory, name.c_str(), kWriting | O_CREAT | O_EXCL | O_NOFOLLOW, mode));
  if (fd.get() < 0) return cannot_create(shown, errno);
  if (Status locked = lock(fd.get(), shown); !locked) return locked.error();
  return fd.take();
}

}  // namespace tcpdwell
