// SPDX-License-Identifier: BSD-2-Clause
#include "run/parts.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdio>
#include <optional>
#include <string_view>
#include <utility>

#include "trace/compress.h"
#include "trace/reader.h"
#include "util/create.h"
#include "util/duration.h"

namespace tcpdwell {
namespace {

/// Names one after the other that somebody else may have taken.
constexpr int kMostTaken = 1000;

/// "20260102T030405Z"
std::string compact_stamp(std::int64_t wall_ns) {
  std::string stamp = rfc3339(wall_ns).substr(0, 19) + 'Z';
  std::erase_if(stamp, [](char c) { return c == '-' || c == ':'; });
  return stamp;
}

/// Whether `text` is like "20260102T030405Z-0001".
bool is_stamp_and_number(std::string_view text) {
  constexpr std::string_view kLike = "00000000T000000Z-0000";
  if (text.size() < kLike.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char like = i < kLike.size() ? kLike[i] : '0';
    if (like == '0' ? std::isdigit(static_cast<unsigned char>(text[i])) == 0 : text[i] != like)
      return false;
  }
  return true;
}

/// When the trace in this file began; absent where it is none, or cannot be read.
std::optional<std::int64_t> start_of(int directory, const std::string& name) {
  auto input = open_trace_in(directory, name);
  if (!input) return std::nullopt;
  const auto header = read_first_header(**input, name);
  return header ? std::optional(header->start_wall_ns) : std::nullopt;
}

std::vector<std::string> names_in(int directory) {
  std::vector<std::string> names;
  const int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* const open = fd >= 0 ? fdopendir(fd) : nullptr;
  if (open == nullptr) {
    if (fd >= 0) close(fd);
    return names;
  }
  while (const dirent* const entry = readdir(open)) names.emplace_back(entry->d_name);
  closedir(open);
  return names;
}

}  // namespace

Result<std::unique_ptr<Parts>> Parts::open(Options options, std::int64_t now_wall_ns) {
  const std::size_t slash = options.path.rfind('/');
  const std::string where =
      slash == std::string::npos ? "." : options.path.substr(0, std::max<std::size_t>(slash, 1));
  Descriptor directory(::open(where.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!directory) return cannot_create(options.path, errno);
  std::unique_ptr<Parts> parts(new Parts(std::move(options), std::move(directory)));
  if (parts->options_.keep != 0) parts->find_earlier(now_wall_ns);
  return parts;
}

Parts::Parts(Options options, Descriptor directory)
    : options_(std::move(options)), directory_(std::move(directory)) {
  const std::string& path = options_.path;
  const std::size_t begins = path.rfind('/') == std::string::npos ? 0 : path.rfind('/') + 1;
  const std::size_t dot = std::min(path.find('.', begins + 1), path.size());
  prefix_ = path.substr(0, begins);
  stem_ = path.substr(begins, dot - begins);
  suffix_ = path.substr(dot);
}

bool Parts::is_ours(const std::string& name) const {
  const std::string begin = stem_ + "-";
  if (name.size() < begin.size() + suffix_.size() || !name.starts_with(begin) ||
      !name.ends_with(suffix_))
    return false;
  return is_stamp_and_number(
      std::string_view(name).substr(begin.size(), name.size() - begin.size() - suffix_.size()));
}

/// A name proves nothing: the clock may have been wrong, or somebody else's file be named so. What
/// a trace says of itself does.
void Parts::find_earlier(std::int64_t now_wall_ns) {
  std::vector<std::pair<std::int64_t, std::string>> earlier;
  for (std::string& name : names_in(directory_.get())) {
    if (!is_ours(name)) continue;
    const auto start = start_of(directory_.get(), name);
    if (start && *start < now_wall_ns)
      earlier.emplace_back(*start, std::move(name));
    else
      spared_.push_back(std::move(name));
  }
  std::sort(earlier.begin(), earlier.end());
  std::sort(spared_.begin(), spared_.end());
  for (auto& [start, name] : earlier) finished_.push_back(std::move(name));
}

bool Parts::taken(const std::string& name) const {
  struct stat about {};
  return fstatat(directory_.get(), name.c_str(), &about, AT_SYMLINK_NOFOLLOW) == 0;
}

void Parts::next_name() { name_ = fmt::format("{}-{}-{:04}{}", stem_, stamp_, ++number_, suffix_); }

Result<std::unique_ptr<Output>> Parts::begin(std::int64_t wall_ns) {
  stamp_ = compact_stamp(wall_ns);
  std::optional<Error> last;
  for (int tries = 0; tries < kMostTaken; ++tries) {
    next_name();
    if (taken(name_)) continue;
    const std::string path = shown(name_) + ".part";
    auto made = make_file(directory_.get(), name_ + ".part", options_.mode, path);
    if (made) {
      file_ = *made;
      return trace_output(file_, path, name_);
    }
    last = made.error();
    if (last->os_errno != EEXIST) break;
  }
  return last ? *last
              : Error{Fault::Runtime,
                      fmt::format("cannot create {}: the name is taken", shown(name_)), EEXIST};
}

std::uint64_t Parts::size() const {
  struct stat about {};
  return fstat(file_, &about) == 0 ? static_cast<std::uint64_t>(about.st_size) : 0;
}

/// False and errno, EEXIST where the name is taken.
bool Parts::rename_new(const std::string& from, const std::string& to) const {
  if (renameat2(directory_.get(), from.c_str(), directory_.get(), to.c_str(), RENAME_NOREPLACE) ==
      0)
    return true;
  if (errno != EINVAL && errno != ENOSYS) return false;
  // A file system that cannot do that at once.
  if (taken(to)) {
    errno = EEXIST;
    return false;
  }
  return renameat(directory_.get(), from.c_str(), directory_.get(), to.c_str()) == 0;
}

Status Parts::finish() {
  const std::string part = name_ + ".part";
  for (int tries = 0; !rename_new(part, name_); ++tries) {
    const int reason = errno;
    if (reason != EEXIST || tries == kMostTaken)
      return os_error(Fault::Runtime, reason, "cannot rename " + shown(part));
    next_name();
  }
  if (options_.keep != 0) remove_oldest();
  return Ok;
}

/// What cannot be removed stays; recording goes on.
void Parts::remove_oldest() {
  finished_.push_back(name_);
  if (finished_.size() <= options_.keep) return;
  std::erase_if(finished_, [this](const std::string& name) { return !taken(name); });
  for (; finished_.size() > options_.keep; finished_.pop_front())
    unlinkat(directory_.get(), finished_.front().c_str(), 0);
}

}  // namespace tcpdwell
