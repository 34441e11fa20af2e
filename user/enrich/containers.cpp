// SPDX-License-Identifier: BSD-2-Clause
#include "enrich/containers.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "enrich/json_scan.h"
#include "util/clock.h"
#include "util/descriptor.h"

namespace tcpdwell {
namespace {

constexpr std::size_t kMostName = 253;  // of a pod, the longest there is: RFC 1123, section 2.1
constexpr std::size_t kMostFile = 16U << 20;
constexpr std::int64_t kReadEveryNs = 1'000'000'000;
constexpr std::size_t kIdDigits = 64;
constexpr std::string_view kLogSuffix = ".log";
constexpr const char* kDocker = "/var/lib/docker/containers";

/// What comes before the first `mark`, which is taken off as well; all where there is none.
std::string_view take_until(std::string_view& text, char mark) {
  const std::size_t at = text.find(mark);
  const std::string_view part = text.substr(0, at);
  text.remove_prefix(at == std::string_view::npos ? text.size() : at + 1);
  return part;
}

bool is_id(std::string_view text) {
  return text.size() == kIdDigits && text.find_first_not_of("0123456789abcdef") == text.npos;
}

}  // namespace

ContainerNames::ContainerNames(std::string root, Tell tell)
    : root_(std::move(root)), tell_(std::move(tell)) {
  read();
  read_docker();
}

bool ContainerNames::may_know_more(const CgroupName& name) const {
  const bool lacks = name.container.empty() ? !name.pod.empty() && name.pod_name.empty()
                                            : name.container_name.empty();
  return lacks && clock_ns(CLOCK_MONOTONIC) - read_ns_ >= kReadEveryNs;
}

void ContainerNames::add_to(CgroupName& name) {
  fill(name);
  if (!may_know_more(name)) return;
  read();
  if (name.pod.empty()) read_docker(name.container);
  fill(name);
}

void ContainerNames::fill(CgroupName& name) const {
  const auto take_pod = [&name](const Of& of) {
    if (of.pod_name.empty()) return;
    name.pod_namespace = of.pod_namespace;
    name.pod_name = of.pod_name;
  };
  if (const auto pod = pods_.find(name.pod); pod != pods_.end()) take_pod(pod->second);
  const auto container = containers_.find(name.container);
  if (container == containers_.end()) return;
  take_pod(container->second);
  name.container_name = container->second.container_name;
}

void ContainerNames::read() {
  read_pods();
  read_container_links();
  for (const char* file : {"containers.json", "volatile-containers.json"})
    read_storage(std::string("/var/lib/containers/storage/overlay-containers/") + file);
  read_ns_ = clock_ns(CLOCK_MONOTONIC);
}

void ContainerNames::read_pods() {
  each_entry("/var/log/pods", [this](std::string_view entry) {
    Of of;
    of.pod_namespace = take_until(entry, '_');
    of.pod_name = take_until(entry, '_');
    keep(pods_, entry, std::move(of));
  });
}

/// The names of the links tell all: where they lead does not matter.
void ContainerNames::read_container_links() {
  each_entry("/var/log/containers", [this](std::string_view entry) {
    if (!entry.ends_with(kLogSuffix)) return;
    entry.remove_suffix(kLogSuffix.size());
    Of of;
    of.pod_name = take_until(entry, '_');
    of.pod_namespace = take_until(entry, '_');
    if (entry.size() <= kIdDigits + 1) return;
    const std::string_view id = entry.substr(entry.size() - kIdDigits);
    of.container_name = entry.substr(0, entry.size() - kIdDigits - 1);
    if (is_id(id)) keep(containers_, id, std::move(of));
  });
}

void ContainerNames::read_docker() {
  each_entry(kDocker, [this](std::string_view id) {
    if (is_id(id)) read_docker(std::string(id));
  });
}

void ContainerNames::read_docker(const std::string& id) {
  const auto text = contents(std::string(kDocker) + "/" + id + "/config.v2.json");
  if (!text) return;
  each_member(*text, [&](std::string_view key, std::string_view value) {
    if (key != "Name") return;
    std::string name = json_string(value);
    if (name.starts_with('/')) name.erase(0, 1);
    if (containers_.find(id) == containers_.end()) keep(containers_, id, {"", "", std::move(name)});
  });
}

/// CRI-O calls a container k8s_CONTAINER_POD_NAMESPACE_UID_ATTEMPT, and a pod's own
/// k8s_POD_POD_NAMESPACE_UID_ATTEMPT, which is no container of a person's.
void ContainerNames::read_storage(const std::string& file) {
  const auto text = contents(file);
  if (!text) return;
  each_item(*text, [this](std::string_view item) {
    std::string id, name;
    each_member(item, [&](std::string_view key, std::string_view value) {
      if (key == "id") id = json_string(value);
      if (key == "names")
        each_item(value, [&](std::string_view one) {
          if (name.empty()) name = json_string(one);
        });
    });
    if (!is_id(id) || containers_.find(id) != containers_.end()) return;
    Of of;
    std::string_view rest = name;
    if (name.starts_with("k8s_") && std::count(name.begin(), name.end(), '_') == 5) {
      take_until(rest, '_');
      of.container_name = take_until(rest, '_');
      of.pod_name = take_until(rest, '_');
      of.pod_namespace = take_until(rest, '_');
    } else {
      of.container_name = name;
    }
    keep(containers_, id, std::move(of));
  });
}

void ContainerNames::keep(Table& table, std::string_view key, Of of) {
  const auto is_name = [](const std::string& text) { return text.size() <= kMostName; };
  if (key.empty() || key.size() > kMostName || !is_name(of.pod_namespace) ||
      !is_name(of.pod_name) || !is_name(of.container_name))
    return;
  if (of.pod_name.empty() != of.pod_namespace.empty()) return;
  if (of.pod_name.empty() && of.container_name.empty()) return;
  if (table.size() < kMost) table.insert_or_assign(std::string(key), std::move(of));
}

std::optional<std::string> ContainerNames::contents(const std::string& path) {
  // A FIFO would make it wait, and a link lead elsewhere.
  const Descriptor file(
      open((root_ + path).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!file) {
    trouble(path, errno);
    return std::nullopt;
  }
  struct stat st {};
  if (fstat(file.get(), &st) != 0 || !S_ISREG(st.st_mode) ||
      static_cast<std::uint64_t>(st.st_size) > kMostFile)
    return std::nullopt;
  std::string text(static_cast<std::size_t>(st.st_size), '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    const ssize_t got = ::read(file.get(), text.data() + size, text.size() - size);
    if (got <= 0) break;
    size += static_cast<std::size_t>(got);
  }
  text.resize(size);
  return text;
}

void ContainerNames::each_entry(const std::string& directory,
                                const std::function<void(std::string_view)>& visit) {
  const std::unique_ptr<DIR, int (*)(DIR*)> entries(opendir((root_ + directory).c_str()), closedir);
  if (!entries) return trouble(directory, errno);
  std::size_t left = kMost;
  while (const dirent* entry = readdir(entries.get())) {
    if (entry->d_name[0] == '.') continue;
    if (left-- == 0) return;
    visit(entry->d_name);
  }
}

void ContainerNames::trouble(const std::string& path, int code) {
  // Of the containers of a place that cannot be read nobody needs a line each.
  const std::string place = path.starts_with(kDocker) ? kDocker : path;
  if (code == ENOENT || code == ENOTDIR || code == ELOOP || !tell_ || !told_.insert(place).second)
    return;
  tell_("containers are not named by " + root_ + place + ": " + std::strerror(code));
}

}  // namespace tcpdwell
