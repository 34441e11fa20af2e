// SPDX-License-Identifier: BSD-2-Clause
/// What a host does that keeps programs from running, for a moment and without telling.
#pragma once

#include <bpf/bpf.h>
#include <sys/mman.h>
#include <tcpdwell/config.h>

#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

#include "tcpdwell_bpf.skel.h"

namespace tcpdwell::test {

/// The kernel side's variables, of the one tracer this process has.
inline int variables_map() {
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    const int fd = std::stoi(entry.path().filename());
    bpf_map_info info{};
    __u32 size = sizeof info;
    if (bpf_obj_get_info_by_fd(fd, &info, &size) == 0 &&
        std::string_view(info.name).ends_with(".bss"))
      return fd;
  }
  throw std::runtime_error("the tracer has no variables");
}

/// While it exists the programs do nothing, as between attaching and the beginning.
class Blindfold {
 public:
  Blindfold() {
    void* const memory =
        mmap(nullptr, sizeof(Variables), PROT_READ | PROT_WRITE, MAP_SHARED, variables_map(), 0);
    if (memory == MAP_FAILED) throw std::runtime_error("the tracer's variables cannot be mapped");
    variables_ = static_cast<Variables*>(memory);
    variables_->live = false;
  }
  ~Blindfold() {
    variables_->live = true;
    munmap(variables_, sizeof(Variables));
  }
  Blindfold(const Blindfold&) = delete;
  Blindfold& operator=(const Blindfold&) = delete;

 private:
  using Variables = std::remove_pointer_t<decltype(tcpdwell_bpf::bss)>;
  Variables* variables_ = nullptr;
};

}  // namespace tcpdwell::test
