// SPDX-License-Identifier: BSD-2-Clause
#include "enrich/cgroup_search.h"

#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <optional>
#include <string_view>
#include <vector>

#include "enrich/cgroups.h"
#include "enrich/containers.h"
#include "enrich/host.h"
#include "util/nearest.h"
#include "util/number.h"

namespace tcpdwell {
namespace {

namespace fs = std::filesystem;

/// Fewer digits of a container's id may be of a word.
constexpr std::size_t kFewestDigits = 8;
constexpr std::size_t kMostNamed = 3;

Error no_such(const std::string& word, const std::string& why) {
  return {Fault::Usage, fmt::format("--cgroup {}: {}", word, why)};
}

Result<Cgroup> cgroup_at(const fs::path& full, const std::string& mount, const std::string& word) {
  struct statfs where {};
  struct stat st {};
  if (stat(full.c_str(), &st) != 0 || statfs(full.c_str(), &where) != 0)
    return os_error(Fault::Usage, errno, fmt::format("--cgroup {}: {}", word, full.string()));
  if (where.f_type == CGROUP_SUPER_MAGIC)
    return no_such(
        word, fmt::format("that is a cgroup v1; sockets are of cgroup v2, which is mounted at {}",
                          mount));
  if (where.f_type != CGROUP2_SUPER_MAGIC || !S_ISDIR(st.st_mode))
    return no_such(word, fmt::format("not a directory of the cgroup v2 hierarchy at {}", mount));
  const auto relative = full.lexically_relative(mount);
  const auto depth = relative == "." ? 0 : std::distance(relative.begin(), relative.end());
  return Cgroup{st.st_ino, static_cast<unsigned>(depth)};
}

bool is_prefix_of_container(std::string_view word, std::string_view container) {
  return word.size() >= kFewestDigits && container.starts_with(word);
}

/// Whether the directory of this name, whatever is above it, is what is called `word`.
bool is_called(std::string_view word, const std::string& directory) {
  const CgroupName name = name_of_cgroup_path(directory);
  return word == directory || word == name.pod || is_prefix_of_container(word, name.container) ||
         (directory == std::string(word) + ".service" && name.container.empty());
}

/// Whether it is a pod or a container, and the host's files call it so.
bool is_called_by_host(std::string_view word, const std::string& directory,
                       const std::string& below, ContainerNames& names) {
  const CgroupName own = name_of_cgroup_path(directory);
  if (own.container.empty() && own.pod.empty()) return false;
  CgroupName name = name_of_cgroup_path(below);
  names.add_to(name);
  if (!own.container.empty()) return word == name.label() || word == name.container_name;
  return !name.pod_name.empty() &&
         (word == name.pod_name || word == name.pod_namespace + "/" + name.pod_name);
}

/// All directories of the hierarchy, as far as they can be read.
std::vector<fs::path> directories_of(const std::string& mount) {
  std::vector<fs::path> all{mount};
  std::error_code error;
  fs::recursive_directory_iterator at(mount, fs::directory_options::skip_permission_denied, error),
      end;
  for (; !error && at != end; at.increment(error))
    if (at->is_directory(error)) all.push_back(at->path());
  return all;
}

Error none_of_that_name(const std::string& word, const std::vector<fs::path>& all) {
  std::vector<std::string> names;
  for (const fs::path& one : all) names.push_back(one.filename());
  return no_such(word, "no unit, container or pod of that name, and no path below " +
                           all.front().string() + did_you_mean(word, names));
}

Error several(const std::string& word, const std::vector<std::string>& found) {
  std::string paths;
  for (std::size_t i = 0; i < std::min(found.size(), kMostNamed); ++i)
    paths += (i == 0 ? "" : ", ") + found[i];
  return no_such(word, fmt::format("{} cgroups are called so: {}{}; give a path", found.size(),
                                   paths, found.size() > kMostNamed ? " and others" : ""));
}

Result<Cgroup> by_name(const std::string& word, const std::string& mount,
                       const std::string& host_root) {
  const std::vector<fs::path> all = directories_of(mount);
  std::vector<std::string> below;
  for (const fs::path& one : all)
    if (&one != &all.front()) below.push_back(one.lexically_relative(mount).string());
  ContainerNames names(host_root);
  const std::vector<std::string> found = cgroups_called(word, below, names);
  if (found.empty()) return none_of_that_name(word, all);
  return found.size() == 1 ? cgroup_at(fs::path(mount) / found.front(), mount, word)
                           : several(word, found);
}

Result<Cgroup> by_id(std::uint64_t id, const std::string& mount, const std::string& word) {
  for (const fs::path& one : directories_of(mount))
    if (struct stat st{}; stat(one.c_str(), &st) == 0 && st.st_ino == id)
      return cgroup_at(one, mount, word);
  return no_such(word, "no cgroup has that id");
}

Error no_hierarchy() {
  const std::string old = cgroup_v1_mount();
  return {Fault::Usage,
          old.empty() ? "--cgroup: no cgroup v2 hierarchy is mounted on this host"
                      : fmt::format("--cgroup: this host has cgroup v1 alone ({}); sockets are of "
                                    "cgroup v2, which is not mounted",
                                    old)};
}

}  // namespace

std::vector<std::string> cgroups_called(std::string_view word,
                                        const std::vector<std::string>& paths,
                                        ContainerNames& names) {
  for (const std::string_view kind : {"container:", "pod:"})
    if (word.starts_with(kind)) word.remove_prefix(kind.size());
  std::vector<std::string> found;
  if (word.empty()) return found;  // what has no container's id would be called so
  for (const std::string& path : paths) {
    const std::string directory = fs::path(path).filename();
    if (is_called(word, directory) || is_called_by_host(word, directory, path, names))
      found.push_back(path);
  }
  return found;
}

Result<Cgroup> find_cgroup(const std::string& word, const std::string& host_root) {
  const std::string mount = cgroup_mount();
  if (mount.empty()) return no_hierarchy();
  std::error_code ignored;
  const bool absolute = word.starts_with('/');
  const fs::path as_given = fs::weakly_canonical(absolute ? word : mount + "/" + word, ignored);
  const bool there = fs::exists(as_given, ignored);
  if (absolute && !there && !word.starts_with(mount))
    return cgroup_at(fs::weakly_canonical(mount + "/" + word, ignored), mount, word);
  if (absolute || there) return cgroup_at(as_given, mount, word);
  if (const auto id = whole_number<std::uint64_t>(word)) return by_id(*id, mount, word);
  return by_name(word, mount, host_root);
}

}  // namespace tcpdwell
