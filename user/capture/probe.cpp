// SPDX-License-Identifier: BSD-2-Clause
#include "capture/probe.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace tcpdwell {
namespace {

constexpr std::size_t kMostEnumValue = 1023;

struct BtfFree {
  void operator()(btf* b) const { btf__free(b); }
};

std::unique_ptr<btf, BtfFree>& kernel_types() {
  static std::unique_ptr<btf, BtfFree> types;
  return types;
}

/// The kernel's types, loaded when first asked for; nullptr where there are none.
const btf* vmlinux_btf() {
  if (!kernel_types()) {
    const libbpf_print_fn_t printer = libbpf_set_print(nullptr);
    btf* loaded = btf__load_vmlinux_btf();
    libbpf_set_print(printer);
    if (libbpf_get_error(loaded) != 0) return nullptr;
    kernel_types().reset(loaded);
  }
  return kernel_types().get();
}

bool has_type(const std::string& name, unsigned kind) {
  const btf* types = vmlinux_btf();
  return types != nullptr && btf__find_by_name_kind(types, name.c_str(), kind) > 0;
}

/// 0 or less if BTF knows none of that name.
int function_id(const char* name) {
  const btf* types = vmlinux_btf();
  return types != nullptr ? btf__find_by_name_kind(types, name, BTF_KIND_FUNC) : -1;
}

constexpr bpf_insn set(__u8 to, __s32 value) {
  return {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = to, .src_reg = 0, .off = 0, .imm = value};
}
constexpr bpf_insn kExit{
    .code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0};

/// The descriptor of a program that does nothing but `code`, for where the type or function is;
/// below 0 and errno if it may not be loaded.
int load_probe(int where, bpf_attach_type type, std::vector<bpf_insn> code) {
  code.insert(code.end(), {set(BPF_REG_0, 0), kExit});
  LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = type,
              .attach_btf_id = static_cast<__u32>(where));
  return bpf_prog_load(BPF_PROG_TYPE_TRACING, "probe", "GPL", code.data(), code.size(), &options);
}

bool loads(int where, bpf_attach_type type, std::vector<bpf_insn> code) {
  const int program = where > 0 ? load_probe(where, type, std::move(code)) : -1;
  if (program >= 0) close(program);
  return program >= 0;
}

/// Offset of a variable in the kernel's per-CPU section; nullopt if it is not there.
std::optional<std::int64_t> percpu_offset(const btf* types, const char* variable) {
  const int section = btf__find_by_name_kind(types, ".data..percpu", BTF_KIND_DATASEC);
  const int wanted = btf__find_by_name_kind(types, variable, BTF_KIND_VAR);
  if (section <= 0 || wanted <= 0) return std::nullopt;
  const btf_type* type = btf__type_by_id(types, static_cast<__u32>(section));
  const btf_var_secinfo* entries = btf_var_secinfos(type);
  for (unsigned i = 0; i < btf_vlen(type); ++i)
    if (entries[i].type == static_cast<__u32>(wanted)) return entries[i].offset;
  return std::nullopt;
}

/// Byte offset of a member, also one inside anonymous members; nullopt if there is none.
std::optional<std::int64_t> member_offset(const btf* types, __u32 structure,
                                          std::string_view wanted) {
  const btf_type* type = btf__type_by_id(types, structure);
  const btf_member* members = btf_members(type);
  for (unsigned i = 0; i < btf_vlen(type); ++i) {
    const std::int64_t here = btf_member_bit_offset(type, i) / 8;
    const char* name = btf__name_by_offset(types, members[i].name_off);
    if (name != nullptr && wanted == name) return here;
    if (name != nullptr && *name != '\0') continue;
    const btf_type* inner = btf__type_by_id(types, members[i].type);
    if (!btf_is_composite(inner)) continue;
    if (const auto below = member_offset(types, members[i].type, wanted)) return here + *below;
  }
  return std::nullopt;
}

/// nullptr if BTF knows no function of that name.
const btf_type* prototype_of(const char* function) {
  const btf* types = vmlinux_btf();
  const int id = types != nullptr ? btf__find_by_name_kind(types, function, BTF_KIND_FUNC) : -1;
  return id > 0 ? btf__type_by_id(types, btf__type_by_id(types, static_cast<__u32>(id))->type)
                : nullptr;
}

bool effective(unsigned capability) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  if (syscall(SYS_capget, &header, data) != 0) return false;
  return (data[capability / 32].effective >> (capability % 32) & 1) != 0;
}

}  // namespace

void forget_kernel_types() { kernel_types().reset(); }

bool kernel_has_btf() { return vmlinux_btf() != nullptr; }

bool kernel_btf_is_readable() { return access("/sys/kernel/btf/vmlinux", R_OK) == 0; }

bool kernel_has_tracepoint(std::string_view name) {
  return has_type("btf_trace_" + std::string(name), BTF_KIND_TYPEDEF);
}

bool kernel_tells_resets_of_time_wait() {
  const btf* types = vmlinux_btf();
  const int id = types != nullptr
                     ? btf__find_by_name_kind(types, "btf_trace_tcp_send_reset", BTF_KIND_TYPEDEF)
                     : -1;
  if (id <= 0) return false;
  const btf_type* pointer =
      btf__type_by_id(types, btf__type_by_id(types, static_cast<__u32>(id))->type);
  const btf_type* function = btf__type_by_id(types, pointer->type);
  return btf_is_func_proto(function) && btf_vlen(function) >= 4;  // context, socket, packet, reason
}

std::vector<std::string> enum_names(const char* name) {
  std::vector<std::string> names;
  const btf* types = vmlinux_btf();
  const int id = types != nullptr ? btf__find_by_name_kind(types, name, BTF_KIND_ENUM) : -1;
  if (id <= 0) return names;
  const btf_type* type = btf__type_by_id(types, static_cast<__u32>(id));
  const struct btf_enum* values = btf_enum(type);
  for (unsigned i = 0; i < btf_vlen(type); ++i) {
    const char* const text = btf__name_by_offset(types, values[i].name_off);
    const auto value = static_cast<std::size_t>(values[i].val);
    if (text == nullptr || values[i].val < 0 || value > kMostEnumValue) continue;
    if (names.size() <= value) names.resize(value + 1);
    names[value] = text;
  }
  return names;
}

bool kernel_has_field(const char* structure, const char* member) {
  const btf* types = vmlinux_btf();
  if (types == nullptr) return false;
  const int id = btf__find_by_name_kind(types, structure, BTF_KIND_STRUCT);
  return id > 0 && member_offset(types, static_cast<__u32>(id), member).has_value();
}

// By its type: creating one, as libbpf's probe does, needs privileges that a caller may lack.
bool tracepoints_are_preemptible() {
  return has_type("tracepoint_srcu_srcu_data", BTF_KIND_VAR) &&
         kernel_has_field("srcu_struct", "srcu_reader_flavor");
}

bool kernel_has_ringbuf() { return has_type("bpf_ringbuf", BTF_KIND_STRUCT); }

bool kernel_has_tracing_sk_storage() {
  return has_type("bpf_sk_storage_get_tracing", BTF_KIND_FUNC);
}

unsigned function_args(const char* function) {
  const btf_type* prototype = prototype_of(function);
  return prototype != nullptr ? btf_vlen(prototype) : 0;
}

bool function_returns(const char* function) {
  const btf_type* prototype = prototype_of(function);
  return prototype != nullptr && prototype->type != 0;
}

std::string fentry_obstacle(const char* function) {
  const int id = function_id(function);
  if (id <= 0) return std::string("this kernel has no function ") + function;
  const int program = load_probe(id, BPF_TRACE_FENTRY, {});
  if (program < 0) return std::string("fentry programs cannot be loaded: ") + std::strerror(errno);
  const int link = bpf_raw_tracepoint_open(nullptr, program);
  const int code_of_failure = errno;
  close(program);
  if (link < 0) return std::string("fentry cannot be attached: ") + std::strerror(code_of_failure);
  close(link);
  return "";
}

bool kernel_lets_walk_storage() {
  return loads(function_id("bpf_iter_bpf_sk_storage_map"), BPF_TRACE_ITER, {});
}

bool kernel_lets_cast() {
  const btf* types = vmlinux_btf();
  if (types == nullptr) return false;
  const int cast = function_id("bpf_rdonly_cast");
  const bpf_insn call{.code = BPF_JMP | BPF_CALL,
                      .dst_reg = 0,
                      .src_reg = BPF_PSEUDO_KFUNC_CALL,
                      .off = 0,
                      .imm = cast};
  return cast > 0 &&
         loads(
             btf__find_by_name_kind(types, "btf_trace_timer_start", BTF_KIND_TYPEDEF),
             BPF_TRACE_RAW_TP,
             {set(BPF_REG_1, 0),
              set(BPF_REG_2, btf__find_by_name_kind(types, "sock_common", BTF_KIND_STRUCT)), call});
}

bool kernel_has_loops() { return has_type("bpf_loop", BTF_KIND_FUNC); }

bool kernel_has_safe_allocation() { return has_type("bpf_mem_alloc", BTF_KIND_STRUCT); }

std::int64_t preempt_count_distance() {
  const btf* types = vmlinux_btf();
  if (types == nullptr) return 0;
  const auto anchor = percpu_offset(types, "tcp_memory_per_cpu_fw_alloc");
  auto count = percpu_offset(types, "__preempt_count");
  if (!count) {
    count = percpu_offset(types, "pcpu_hot");
    const int hot = btf__find_by_name_kind(types, "pcpu_hot", BTF_KIND_STRUCT);
    const auto inside =
        hot > 0 ? member_offset(types, static_cast<__u32>(hot), "preempt_count") : std::nullopt;
    if (!count || !inside) return 0;
    *count += *inside;
  }
  return anchor ? *count - *anchor : 0;
}

bool kernel_has_tracing_cookie() { return has_type("bpf_get_socket_ptr_cookie", BTF_KIND_FUNC); }

bool has_capability(unsigned capability) { return effective(capability); }

std::vector<MissingCapability> missing_capabilities() {
  std::vector<MissingCapability> missing;
  if (effective(CAP_SYS_ADMIN)) return missing;
  if (!effective(CAP_BPF)) missing.push_back({"CAP_BPF"});
  if (!effective(CAP_PERFMON)) missing.push_back({"CAP_PERFMON"});
  return missing;
}

}  // namespace tcpdwell
