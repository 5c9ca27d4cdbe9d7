#include <boost/json.hpp>

#include "security/remote_text.hpp"
#include "security/trace.hpp"

namespace sealpost::security {
namespace {

namespace json = boost::json;

constexpr std::size_t max_stored = 8U << 20U;  // far beyond what to_json() makes; more is not rendered
constexpr std::size_t max_text = 400;

std::string shown(std::string_view in) {
    return printable_once(in, max_text);
}

/// Reads members that may be missing: a stored trace is input like any other.
class View {
public:
    explicit View(const json::value* value) : object_(value != nullptr ? value->if_object() : nullptr) {}
    [[nodiscard]] View at(std::string_view key) const { return View(find(key)); }
    [[nodiscard]] std::string str(std::string_view key) const {
        const json::value* v = find(key);
        if (v == nullptr) return {};
        if (const json::string* s = v->if_string()) return shown(std::string_view(s->data(), s->size()));
        if (v->is_bool()) return v->get_bool() ? "yes" : "no";
        return v->is_number() ? json::serialize(*v) : std::string();  // a list or an object is no word
    }
    [[nodiscard]] bool has(std::string_view key) const { return find(key) != nullptr; }
    [[nodiscard]] const json::array& list(std::string_view key) const {
        static const json::array empty;
        const json::value* v = find(key);
        const json::array* a = v != nullptr ? v->if_array() : nullptr;
        return a != nullptr ? *a : empty;
    }

private:
    [[nodiscard]] const json::value* find(std::string_view key) const {
        return object_ != nullptr ? object_->if_contains(json::string_view(key.data(), key.size())) : nullptr;
    }
    const json::object* object_;
};

std::string string_of(const json::value& v) {
    const json::string* s = v.if_string();
    return s != nullptr ? shown(std::string_view(s->data(), s->size())) : std::string();
}

void render_remedy(std::string& out, const View& from, std::string_view indent) {
    if (from.has("remedy")) out += fmt::format("{}{}: {}\n", indent, from.str("side"), from.str("remedy"));
}

void render_lookup(std::string& out, const View& l) {
    out += fmt::format("    {} {}: {}", l.str("type"), l.str("name"), l.str("dnssec"));
    if (l.has("why")) out += fmt::format(" ({})", l.str("why"));
    if (l.has("found")) out += fmt::format(", {}", l.str("found"));
    if (l.has("canonical")) out += fmt::format(", alias of {}", l.str("canonical"));
    for (const json::value& record : l.list("records")) out += fmt::format("\n        {}", string_of(record));
    out += '\n';
}

void render_results(std::string& out, const json::array& results) {
    for (const json::value& item : results) {
        const View r(&item);
        out += fmt::format("      TLS-RPT {} {}: {}", r.str("policy_type"), r.str("policy_domain"),
                           r.str("success") == "yes" ? "success" : r.str("result_type"));
        if (r.has("reason") && !r.str("reason").empty()) out += fmt::format(" ({})", r.str("reason"));
        out += '\n';
    }
}

void render_session(std::string& out, const View& s) {
    out += fmt::format("    connect {}", s.str("address"));
    if (s.has("error")) out += fmt::format(": {}", s.str("error"));
    out += '\n';
    const View tls = s.at("tls");
    if (s.has("tls")) {
        out += fmt::format("      TLS {} {} {}", tls.str("stage"), tls.str("protocol"), tls.str("cipher"));
        if (tls.has("detail")) out += fmt::format(" ({})", tls.str("detail"));
        out += '\n';
        for (const std::string_view check : {"dane", "web_pki", "rule"}) {
            if (!tls.has(check)) continue;
            const View c = tls.at(check);
            out += fmt::format("      {}: {} [{}]\n", check,
                               c.str("ok") == "yes" ? "matched " + c.str("matched")
                                                    : fmt::format("{}, {}", c.str("fault"), c.str("detail")),
                               c.str("subject"));
        }
    }
    if (s.has("verdict")) {
        const View v = s.at("verdict");
        out +=
            fmt::format("      => {}: {} ({})\n", v.str("action"), v.str("explanation"), v.str("achieved"));
        render_remedy(out, v, "      ");
        if (v.has("would_hold"))
            out += fmt::format("      the rule only observes; it would have held the mail: {}\n",
                               v.str("would_hold"));
        render_results(out, v.list("tlsrpt"));
    }
    if (s.has("reply")) out += fmt::format("      reply: {}\n", s.str("reply"));
}

void render_tlsa(std::string& out, const json::array& records) {
    for (const json::value& record : records) {
        const View r(&record);
        out += fmt::format("       TLSA {} - {}: {}{}\n", r.str("record"), r.str("meaning"), r.str("use"),
                           r.has("why") ? " (" + r.str("why") + ")" : "");
    }
}

void render_hop(std::string& out, const View& hop) {
    out += fmt::format("  MX {} {}\n", hop.str("preference"), hop.str("host"));
    for (const json::value& l : hop.list("lookups")) render_lookup(out, View(&l));
    render_tlsa(out, hop.list("tlsa"));
    const View d = hop.at("decision");
    if (hop.has("decision")) {
        out += fmt::format("    -> {} ({}): {}\n", d.str("action"), d.str("reason"), d.str("explanation"));
        render_remedy(out, d, "       ");
        render_tlsa(out, d.at("dane").list("tlsa"));
        for (const json::value& why : d.list("not_stronger"))
            out += fmt::format("       {}\n", string_of(why));
    }
    render_results(out, hop.list("tlsrpt"));
    for (const json::value& s : hop.list("sessions")) render_session(out, View(&s));
}

}  // namespace

Result<std::string> render_trace(std::string_view stored) {
    if (stored.size() > max_stored)
        return fail(Errc::invalid,
                    fmt::format("a trace of {} octets; at most {} are read", stored.size(), max_stored));
    boost::system::error_code ec;
    const json::value value = json::parse(json::string_view(stored.data(), stored.size()), ec);
    if (ec) return fail(Errc::invalid, "the trace is not JSON");
    const View trace(&value);
    if (trace.str("schema") != std::to_string(trace_schema))
        return fail(Errc::invalid, fmt::format("a trace of schema '{}', this program knows {}",
                                               trace.str("schema"), trace_schema));
    std::string out =
        fmt::format("{}: {} - {}\n", trace.str("domain"), trace.str("outcome"), trace.str("summary"));
    render_remedy(out, trace, "  ");
    out +=
        fmt::format("  rule: {} from {}{}\n", trace.at("rule").str("level"), trace.at("rule").str("origin"),
                    trace.at("rule").has("observe") ? ", which only observes" : "");
    if (trace.has("reused"))
        out += fmt::format(
            "  message {} over a connection that was opened under this same policy{}\n", trace.str("reused"),
            trace.list("hops").empty() ? "; what was looked up then is not kept any more" : "");
    if (trace.str("message_tls") == "required") out += "  the message requires TLS (REQUIRETLS)\n";
    if (trace.str("message_tls") == "optional") out += "  the message says TLS-Required: No\n";
    if (trace.has("interrupted"))
        out += fmt::format("  possibly a duplicate: attempts interrupted before this one: {}\n",
                           trace.str("interrupted"));
    for (const json::value& hop : trace.list("route")) out += fmt::format("  route: {}\n", string_of(hop));
    if (trace.has("mx_lookup")) render_lookup(out, trace.at("mx_lookup"));
    if (trace.has("mx")) {
        for (const json::value& note : trace.at("mx").list("notes"))
            out += fmt::format("    {}\n", string_of(note));
        if (trace.at("mx").str("implicit") == "yes")
            out += "    no MX record: the domain itself is the host\n";
    }
    if (trace.has("sts")) {
        const View sts = trace.at("sts");
        out += fmt::format("  MTA-STS: record {}, policy {}", sts.str("record"), sts.str("policy"));
        if (sts.has("mode")) out += fmt::format(", mode {}, id {}", sts.str("mode"), sts.str("id"));
        if (sts.has("why")) out += fmt::format(" ({})", sts.str("why"));
        out += '\n';
    }
    for (const json::value& hop : trace.list("hops")) render_hop(out, View(&hop));
    return out;
}

}  // namespace sealpost::security
