// SPDX-License-Identifier: BSD-2-Clause
#include <fmt/format.h>
#include <rapidjson/document.h>
#include <rapidjson/prettywriter.h>
#include <rapidjson/stringbuffer.h>

#include <map>

#include "describe.h"
#include "util/json.h"

namespace tcpdwell {
namespace {

using Names = std::vector<std::string_view>;

void add_names(JsonText& json, const Names& names) {
  json.begin_list();
  for (const std::string_view name : names) json.value(name);
  json.end_list();
}

void add_raw(JsonText& json, std::string_view text) {
  json.bare([text](std::string& out) { out += text; });
}

/// A duration is not known, or it has a number.
void add_durations(JsonText& json, const std::vector<Described>& fields) {
  for (const Described& field : fields) {
    if (field.duration.empty()) continue;
    json.name("oneOf");
    add_raw(
        json,
        fmt::format(
            R"([{{"properties":{{"{0}":{{"type":"null"}},"{1}":{{"const":"unknown"}}}}}},)"
            R"({{"properties":{{"{0}":{{"type":"integer"}},"{1}":{{"enum":["exact","at_least"]}}}}}}])",
            field.duration, field.name));
  }
}

/// A field that is absent when another one is: "`name` is". Else "".
std::string_view companion_of(const Described& field) {
  const std::string_view text = field.otherwise;
  return text.starts_with('`') && text.ends_with("` is") ? text.substr(1, text.size() - 5) : "";
}

void add_companions(JsonText& json, const std::vector<Described>& fields) {
  std::map<std::string_view, Names> companions;
  for (const Described& field : fields) {
    const std::string_view other =
        field.part.empty() || field.part == field.name ? companion_of(field) : field.part;
    if (other.empty()) continue;
    companions[field.name].push_back(other);
    if (field.part.empty() || field.presence != IfKnown) companions[other].push_back(field.name);
  }
  if (companions.empty()) return;
  json.name("dependentRequired").begin_object();
  for (const auto& [name, others] : companions) {
    json.name(name);
    add_names(json, others);
  }
  json.end_object();
}

void add_last_line(JsonText& json, const std::vector<Described>& fields) {
  Names last;
  for (const Described& field : fields)
    if (field.last_line && (field.part.empty() || field.part == field.name))
      last.push_back(field.name);
  if (last.empty()) return;
  json.name("if");
  add_raw(json, R"({"not":{"properties":{"new":{"const":"CLOSE"}}}})");
  json.name("then").begin_object().name("not").begin_object().name("anyOf").begin_list();
  for (const std::string_view name : last) {
    json.begin_object().name("required");
    add_names(json, {name});
    json.end_object();
  }
  json.end_list().end_object().end_object();
}

void add_line_type(JsonText& json, const LineType& line) {
  json.name(line.type).begin_object().field("type", "object");
  json.name("properties")
      .begin_object()
      .name("type")
      .begin_object()
      .field("const", line.type)
      .end_object();
  Names required = {"type"};
  for (const Described& field : line.fields) {
    json.name(field.name);
    add_raw(json, field.value.schema);
    if (field.required()) required.push_back(field.name);
  }
  json.end_object().name("required");
  add_names(json, required);
  add_durations(json, line.fields);
  add_companions(json, line.fields);
  add_last_line(json, line.fields);
  json.end_object();
}

void add_shared(JsonText& json) {
  json.name("time");
  add_raw(json, R"({"type":"string","pattern":)"
                R"("^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{9}Z$"})");
  json.name("state").begin_object().name("enum").begin_list();
  for (const State state : kLifeOrder) json.value(name_of(state));
  json.end_list().end_object().name("path");
  add_raw(json, R"({"type":"string","pattern":"^([A-Z_12]+)(>[A-Z_12]+){0,15}$"})");
}

std::string_view unit_of(std::string_view name) {
  if (name.ends_with("_ns")) return ", ns";
  if (name.ends_with("_us")) return ", µs";
  return name.starts_with("bytes_") ? ", bytes" : "";
}

std::string in_lines(const std::string& json) {
  rapidjson::Document document;
  document.Parse(json.c_str());
  rapidjson::StringBuffer buffer;
  rapidjson::PrettyWriter<rapidjson::StringBuffer> writer(buffer);
  writer.SetIndent(' ', 1);
  document.Accept(writer);
  return std::string(buffer.GetString(), buffer.GetSize()) + '\n';
}

}  // namespace

std::string schema_of(const std::vector<LineType>& types) {
  std::string text;
  JsonText json(text);
  json.begin_object()
      .field("$schema", "https://json-schema.org/draft/2020-12/schema")
      .field("title", "tcpdwell trace, one line")
      .field("description",
             "Each line of a trace is one such object (docs/trace.md). Fields and types may be "
             "added: what is not "
             "named here is to be passed over.")
      .field("type", "object")
      .name("required");
  add_names(json, {"type"});
  json.name("properties");
  add_raw(json, R"({"type":{"type":"string"}})");
  json.name("allOf").begin_list();
  for (const LineType& line : types)
    add_raw(
        json,
        fmt::format(
            R"({{"if":{{"properties":{{"type":{{"const":"{0}"}}}}}},"then":{{"$ref":"#/$defs/{0}"}}}})",
            line.type));
  json.end_list().name("$defs").begin_object();
  add_shared(json);
  for (const LineType& line : types) add_line_type(json, line);
  json.end_object().end_object();
  return in_lines(text);
}

std::string page_table(const std::vector<Described>& fields) {
  std::string text =
      "\n| field | type, unit | meaning | when absent or unknown |\n| --- | --- | --- | --- |\n";
  for (const Described& field : fields)
    text += fmt::format("| `{}` | {}{} | {} | {} |\n", field.name, field.value.called,
                        unit_of(field.name), field.meaning, field.otherwise);
  return text + '\n';
}

std::string columns_of(const std::vector<Described>& fields) {
  std::string text;
  for (const Described& field : fields)
    text += fmt::format("  {} {},\n", field.name, field.value.sql);
  return text;
}

}  // namespace tcpdwell
