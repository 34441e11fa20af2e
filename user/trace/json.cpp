// SPDX-License-Identifier: BSD-2-Clause
#include "trace/json.h"

#include <rapidjson/error/en.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <algorithm>
#include <cstring>

namespace tcpdwell {
namespace {

/// Enough for any line of ours; a larger one takes more from the heap.
constexpr std::size_t kValueMemory = 64U << 10;
constexpr std::size_t kStackMemory = 64U << 10;
constexpr std::size_t kFirstStack = 4U << 10;

bool is_ascii(std::string_view text) {
  std::uint64_t bits = 0;
  for (; text.size() >= sizeof(bits); text.remove_prefix(sizeof(bits))) {
    std::uint64_t eight = 0;
    std::memcpy(&eight, text.data(), sizeof(eight));
    bits |= eight;
  }
  for (const char byte : text) bits |= static_cast<unsigned char>(byte);
  return (bits & 0x8080808080808080U) == 0;
}

bool nests_deeper(const rapidjson::Value& value, int levels) {
  if (!value.IsObject() && !value.IsArray()) return false;
  if (levels == 0) return true;
  if (value.IsArray()) {
    return std::any_of(value.Begin(), value.End(),
                       [&](const auto& inner) { return nests_deeper(inner, levels - 1); });
  }
  return std::any_of(value.MemberBegin(), value.MemberEnd(),
                     [&](const auto& member) { return nests_deeper(member.value, levels - 1); });
}

}  // namespace

JsonParser::JsonParser()
    : value_memory_(kValueMemory),
      stack_memory_(kStackMemory),
      values_(value_memory_.data(), value_memory_.size()),
      stack_(stack_memory_.data(), stack_memory_.size()) {}

const rapidjson::Value* JsonParser::object(char* line, std::size_t size) {
  // RapidJSON takes a NUL for the end and would not see what comes after it.
  if (std::memchr(line, '\0', size) != nullptr) {
    why_ = "a NUL byte";
    return nullptr;
  }
  values_.Clear();
  stack_.Clear();
  Document document(&values_, kFirstStack, &stack_);
  constexpr unsigned kFlags = rapidjson::kParseInsituFlag | rapidjson::kParseIterativeFlag;
  rapidjson::InsituStringStream stream(line);
  // Checking the encoding takes as long as all else, and nearly all lines are ASCII.
  if (is_ascii({line, size})) {
    document.ParseStream<kFlags>(stream);
  } else {
    document.ParseStream<kFlags | rapidjson::kParseValidateEncodingFlag>(stream);
  }
  if (document.HasParseError()) {
    why_ = rapidjson::GetParseError_En(document.GetParseError());
    return nullptr;
  }
  if (!document.IsObject()) {
    why_ = kNoObject;
    return nullptr;
  }
  // What the root points to lives in values_, not in the document.
  root_ = static_cast<rapidjson::Value&&>(document);
  return &root_;
}

Fields::Fields(const rapidjson::Value& object)
    : begin_(object.MemberBegin()), next_(begin_), end_(object.MemberEnd()) {}

const rapidjson::Value* Fields::find(std::string_view name) {
  const auto named = [name](const auto& member) {
    return member.name.GetStringLength() == name.size() &&
           std::memcmp(member.name.GetString(), name.data(), name.size()) == 0;
  };
  auto found = std::find_if(next_, end_, named);
  if (found == end_) {
    found = std::find_if(begin_, next_, named);
    if (found == next_) return nullptr;
  }
  next_ = found;  // not past it: has() is followed by a look at the value
  return &found->value;
}

const rapidjson::Value* Fields::need(std::string_view name) {
  const rapidjson::Value* value = find(name);
  if (value == nullptr) fail(name, "is missing");
  return value;
}

std::uint64_t Fields::number_of(const rapidjson::Value& value, std::string_view name,
                                std::uint64_t most) {
  if (value.IsUint64() && value.GetUint64() <= most) return value.GetUint64();
  fail(name, value.IsNumber() ? "is out of range" : "is not a number");
  return 0;
}

std::uint64_t Fields::number(std::string_view name, std::uint64_t most) {
  const rapidjson::Value* value = need(name);
  return value ? number_of(*value, name, most) : 0;
}

std::optional<std::uint64_t> Fields::number_or_null(std::string_view name, std::uint64_t most) {
  const rapidjson::Value* value = need(name);
  if (value == nullptr || value->IsNull()) return std::nullopt;
  return number_of(*value, name, most);
}

std::optional<std::uint64_t> Fields::number_if_any(std::string_view name, std::uint64_t most) {
  const rapidjson::Value* value = find(name);
  if (value == nullptr) return std::nullopt;
  return number_of(*value, name, most);
}

std::string_view Fields::text(std::string_view name) {
  const rapidjson::Value* value = need(name);
  if (value == nullptr) return {};
  if (value->IsString()) return {value->GetString(), value->GetStringLength()};
  fail(name, "is not a string");
  return {};
}

bool Fields::flag(std::string_view name) {
  const rapidjson::Value* value = need(name);
  if (value == nullptr) return false;
  if (!value->IsBool()) fail(name, "is not true or false");
  return value->IsTrue();
}

std::vector<std::uint64_t> Fields::numbers(std::string_view name, std::uint64_t most) {
  std::vector<std::uint64_t> numbers;
  const rapidjson::Value* value = need(name);
  if (value == nullptr) return numbers;
  if (!value->IsArray()) {
    fail(name, "is not a list");
    return numbers;
  }
  for (auto item = value->Begin(); item != value->End(); ++item)
    numbers.push_back(number_of(*item, name, most));
  return numbers;
}

std::span<const rapidjson::Value> Fields::objects(std::string_view name) {
  const rapidjson::Value* value = need(name);
  if (value == nullptr) return {};
  const bool list = value->IsArray();
  if (list && std::all_of(value->Begin(), value->End(), [](auto& item) { return item.IsObject(); }))
    return {value->Begin(), value->Size()};
  fail(name, list ? "holds something that is no object" : "is not a list");
  return {};
}

const rapidjson::Value* Fields::object(std::string_view name) {
  const rapidjson::Value* value = need(name);
  if (value == nullptr) return nullptr;
  if (value->IsObject()) return value;
  fail(name, "is not an object");
  return nullptr;
}

void Fields::fail(std::string_view name, std::string_view how) {
  if (!ok()) return;
  name_ = name;
  how_ = how;
}

std::string Fields::why() const {
  return ok() ? std::string() : '"' + std::string(name_) + "\" " + std::string(how_);
}

std::optional<std::string> compact_json(const rapidjson::Value& object) {
  // Writing recurses, and the depth is not ours to choose.
  constexpr int kDeepest = 16;
  if (nests_deeper(object, kDeepest)) return std::nullopt;
  // An escaped half of a surrogate pair is no UTF-8, even in a line that is.
  using Checked = rapidjson::Writer<rapidjson::StringBuffer, rapidjson::UTF8<>, rapidjson::UTF8<>,
                                    rapidjson::CrtAllocator, rapidjson::kWriteValidateEncodingFlag>;
  rapidjson::StringBuffer buffer;
  Checked writer(buffer);
  if (!object.Accept(writer)) return std::nullopt;
  return std::string(buffer.GetString(), buffer.GetSize());
}

}  // namespace tcpdwell
