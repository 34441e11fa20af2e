// SPDX-License-Identifier: BSD-2-Clause
#include "capture/probe.h"

#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <memory>
#include <string>

namespace tcpdwell {
namespace {

struct BtfFree {
  void operator()(btf* b) const { btf__free(b); }
};

/// The kernel's types, loaded once; nullptr where there are none.
const btf* vmlinux_btf() {
  static const std::unique_ptr<btf, BtfFree> loaded(btf__load_vmlinux_btf());
  return libbpf_get_error(loaded.get()) ? nullptr : loaded.get();
}

bool has_type(const std::string& name, unsigned kind) {
  const btf* types = vmlinux_btf();
  return types != nullptr && btf__find_by_name_kind(types, name.c_str(), kind) > 0;
}

bool effective(unsigned capability) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  if (syscall(SYS_capget, &header, data) != 0) return false;
  return (data[capability / 32].effective >> (capability % 32) & 1) != 0;
}

}  // namespace

bool kernel_has_btf() { return vmlinux_btf() != nullptr; }

bool kernel_has_tracepoint(std::string_view name) {
  return has_type("btf_trace_" + std::string(name), BTF_KIND_TYPEDEF);
}

bool kernel_has_field(const char* structure, const char* member) {
  const btf* types = vmlinux_btf();
  if (types == nullptr) return false;
  const int id = btf__find_by_name_kind(types, structure, BTF_KIND_STRUCT);
  if (id <= 0) return false;
  const btf_type* type = btf__type_by_id(types, static_cast<__u32>(id));
  const btf_member* members = btf_members(type);
  for (unsigned i = 0; i < btf_vlen(type); ++i) {
    const char* name = btf__name_by_offset(types, members[i].name_off);
    if (name != nullptr && std::string_view(name) == member) return true;
  }
  return false;
}

// By its type: creating one, as libbpf's probe does, needs privileges that a caller may lack.
bool kernel_has_ringbuf() { return has_type("bpf_ringbuf", BTF_KIND_STRUCT); }

bool kernel_has_tracing_sk_storage() { return has_type("bpf_sk_storage_get_tracing", BTF_KIND_FUNC); }

bool kernel_has_tracing_cookie() { return has_type("bpf_get_socket_ptr_cookie", BTF_KIND_FUNC); }

std::vector<MissingCapability> missing_capabilities() {
  std::vector<MissingCapability> missing;
  if (effective(CAP_SYS_ADMIN)) return missing;
  if (!effective(CAP_BPF)) missing.push_back({"CAP_BPF"});
  if (!effective(CAP_PERFMON)) missing.push_back({"CAP_PERFMON"});
  return missing;
}

}  // namespace tcpdwell
