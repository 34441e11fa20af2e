// SPDX-License-Identifier: BSD-2-Clause
#include "enrich/cgroups.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <vector>

#include "enrich/host.h"
#include "util/clock.h"

namespace tcpdwell {
namespace {

constexpr int kFileidKernfs = 0xfe;  // FILEID_KERNFS, include/linux/exportfs.h
constexpr std::size_t kIdDigits = 64;

bool hexadecimal(std::string_view text) {
  return text.size() == kIdDigits && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

/// "docker-ID.scope", "cri-containerd-ID.scope", "crio-ID.scope", "libpod-ID.scope", "libpod-ID",
/// "ID".
std::string_view container_in(std::string_view part) {
  if (part.ends_with(".scope")) part.remove_suffix(6);
  if (part.size() < kIdDigits) return {};
  const std::string_view id = part.substr(part.size() - kIdDigits);
  const bool begins = part.size() == kIdDigits || part[part.size() - kIdDigits - 1] == '-';
  return begins && hexadecimal(id) ? id : std::string_view{};
}

/// "podUID" and "kubepods-burstable-podUID.slice", where systemd wants _ for -.
std::string pod_in(std::string_view part) {
  constexpr std::size_t kUid = 36, kStaticUid = 32;  // of the API server, and of a static pod
  if (part.ends_with(".slice")) part.remove_suffix(6);
  const std::size_t at = part.rfind("pod");
  if (at == std::string_view::npos || (at != 0 && part[at - 1] != '-')) return {};
  std::string uid(part.substr(at + 3));
  std::replace(uid.begin(), uid.end(), '_', '-');
  return uid.size() == kUid || uid.size() == kStaticUid ? uid : std::string();
}

/// "machine-NAME.scope" and "systemd-nspawn@NAME.service", as systemd escapes names
/// (systemd.unit(5)): what it would write as \x2d.
std::string machine_in(std::string_view part) {
  constexpr std::string_view kScope = "machine-", kService = "systemd-nspawn@";
  if (part.starts_with(kScope) && part.ends_with(".scope"))
    part = part.substr(kScope.size(), part.size() - kScope.size() - 6);
  else if (part.starts_with(kService) && part.ends_with(".service"))
    part = part.substr(kService.size(), part.size() - kService.size() - 8);
  else
    return {};
  std::string name;
  for (std::size_t i = 0; i < part.size(); ++i) {
    if (part.substr(i, 4) == "\\x2d") {
      name += '-';
      i += 3;
    } else {
      name += part[i];
    }
  }
  return name;
}

/// No character is cut in two: of UTF-8, what goes on begins with the bits 10, three bytes at most.
std::string cut_path(std::string_view path) {
  if (path.size() <= kMostPath) return std::string(path);
  std::size_t end = kMostPath;
  while (end > kMostPath - 3 && (static_cast<unsigned char>(path[end]) & 0xC0U) == 0x80U) --end;
  return std::string(path.substr(0, end)) + "…";
}

}  // namespace

CgroupName name_of_cgroup_path(std::string_view path) {
  CgroupName name;
  name.path = cut_path(path);
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    const std::string_view part = path.substr(0, slash);
    path = slash == std::string_view::npos ? std::string_view{} : path.substr(slash + 1);
    if (const auto id = container_in(part); !id.empty()) {
      name.container = id;
    } else if (const std::string uid = pod_in(part); !uid.empty()) {
      name.pod = uid;
    } else if (std::string machine = machine_in(part); !machine.empty()) {
      name.machine = std::move(machine);
    } else if (part.ends_with(".service") || part.ends_with(".scope")) {
      name.unit = part;
    }
  }
  return name;
}

CgroupNames::CgroupNames(std::string host_root, ContainerNames::Tell tell)
    : mount_(cgroup_mount()), containers_(std::move(host_root), std::move(tell)) {
  if (!mount_.empty()) mount_fd_.reset(open(mount_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

CgroupRef CgroupNames::find(std::uint64_t id) {
  static const CgroupRef kNone = std::make_shared<CgroupName>();
  if (id == 0 || !mount_fd_) return kNone;
  if (const auto known = names_.find(id); known != names_.end()) {
    if (containers_.may_know_more(*known->second)) {  // its cgroup is there before its names are
      CgroupName name = *known->second;
      containers_.add_to(name);
      known->second = std::make_shared<const CgroupName>(std::move(name));
    }
    return known->second;
  }
  if (full()) {
    names_.clear();
    bytes_ = 0;
  }
  if (const std::string path = path_by_handle(id); !path.empty()) {
    remember(id, path);
  } else if (errno == EPERM) {
    walk();
  }
  const auto found = names_.find(id);
  return found != names_.end() ? found->second : kNone;
}

/// A kernfs handle is the 64-bit id (kernfs_fh_to_dentry, fs/kernfs/mount.c).
std::string CgroupNames::path_by_handle(std::uint64_t id) const {
  alignas(file_handle) char memory[sizeof(file_handle) + sizeof id] = {};
  auto* handle = reinterpret_cast<file_handle*>(memory);
  handle->handle_bytes = sizeof id;
  handle->handle_type = kFileidKernfs;
  std::memcpy(handle->f_handle, &id, sizeof id);
  const Descriptor fd(open_by_handle_at(mount_fd_.get(), handle, O_PATH | O_CLOEXEC));
  if (!fd) return {};
  const std::string link = "/proc/self/fd/" + std::to_string(fd.get());
  std::vector<char> path(8192);
  const ssize_t length = readlink(link.c_str(), path.data(), path.size());
  return length > 0 ? std::string(path.data(), static_cast<std::size_t>(length)) : std::string();
}

void CgroupNames::walk() {
  if (walked_ns_ != 0 && clock_ns(CLOCK_MONOTONIC) - walked_ns_ < 1'000'000'000) return;
  walked_ns_ = clock_ns(CLOCK_MONOTONIC);
  std::error_code error;
  namespace fs = std::filesystem;
  const auto add = [&](const fs::path& path) {
    struct stat st {};
    if (stat(path.c_str(), &st) == 0 && !full()) remember(st.st_ino, path.string());
  };
  add(mount_);
  fs::recursive_directory_iterator at(mount_, fs::directory_options::skip_permission_denied, error),
      end;
  for (; !error && at != end; at.increment(error))
    if (at->is_directory(error)) add(at->path());
}

void CgroupNames::remember(std::uint64_t id, const std::string& path) {
  std::string below = path.rfind(mount_, 0) == 0 ? path.substr(mount_.size()) : path;
  if (below.empty()) below = "/";
  CgroupName found = name_of_cgroup_path(below);
  containers_.add_to(found);
  auto name = std::make_shared<const CgroupName>(std::move(found));
  CgroupRef& kept = names_[id];
  bytes_ += name->path.size() - (kept ? kept->path.size() : 0);
  kept = std::move(name);
}

}  // namespace tcpdwell
