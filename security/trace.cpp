#include "security/trace.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "security/rdata.hpp"
#include "security/remote_text.hpp"

namespace sealpost::security {
namespace {

namespace json = boost::json;

constexpr std::size_t max_records = 20;  // of one answer, in the trace; the decision has seen all
constexpr std::size_t max_hops = 20;
constexpr std::size_t max_sessions = 20;  // of one hop
constexpr std::size_t max_text = 400;

std::string text(std::string_view in) {
    return printable(in, max_text);
}

std::string shown(std::string_view in) {
    return printable_once(in, max_text);
}

std::string record_text(RrType type, const std::vector<std::uint8_t>& octets) {
    switch (type) {
        case RrType::a:
        case RrType::aaaa:
            if (const Result<IpAddress> address = parse_address_rdata(octets)) return address->str();
            break;
        case RrType::cname:
            if (const Result<Domain> target = parse_cname_rdata(octets)) return target->str();
            break;
        case RrType::mx:
            if (const Result<MxRdata> mx = parse_mx_rdata(octets))
                return fmt::format("{} {}", mx->preference, text(mx->exchange));
            break;
        case RrType::txt:
            if (const Result<std::string> txt = parse_txt_rdata(octets)) return text(*txt);
            break;
        case RrType::tlsa:
            return shown(TlsaRecord::parse(octets).str());
    }
    return fmt::format("malformed, {} octets", octets.size());
}

json::object lookup(const DnsAnswer& answer) {
    json::object out;
    out["name"] = text(answer.name);
    out["type"] = to_string(answer.type);
    out["dnssec"] = to_string(answer.status);
    if (answer.failed()) {
        out["why"] = text(answer.why);
        return out;
    }
    out["found"] = to_string(answer.data);
    if (answer.via_cname()) out["canonical"] = text(answer.canonical);
    out["ttl"] = answer.ttl.count();
    json::array records;
    for (const auto& octets : answer.rdata) {
        if (records.size() == max_records) break;
        records.emplace_back(record_text(answer.type, octets));
    }
    out["records"] = std::move(records);
    if (answer.rdata.size() > max_records) out["more_records"] = answer.rdata.size() - max_records;
    return out;
}

json::array strings(const std::vector<std::string>& in) {
    json::array out;
    for (const std::string& s : in) {
        if (out.size() == max_records) break;
        out.emplace_back(text(s));
    }
    return out;
}

json::object mx_object(const MxSet& mx) {
    json::object out;
    out["status"] = to_string(mx.status);
    out["dnssec"] = to_string(mx.security);
    out["implicit"] = mx.implicit;
    json::array hosts;
    for (const MxHost& host : mx.hosts) {
        if (hosts.size() == max_hops) break;
        hosts.emplace_back(fmt::format("{} {}", host.preference, host.name));
    }
    out["hosts"] = std::move(hosts);
    if (!mx.notes.empty()) out["notes"] = strings(mx.notes);
    if (!mx.why.empty()) out["why"] = text(mx.why);
    return out;
}

json::object sts_object(const StsState& sts) {
    json::object out;
    out["record"] = to_string(sts.txt);
    out["policy"] = to_string(sts.origin);
    if (sts.policy) {
        out["mode"] = to_string(sts.policy->mode);
        out["id"] = text(sts.id);
        json::array mx;
        for (const MxPattern& pattern : sts.policy->mx) {
            if (mx.size() == max_records) break;
            mx.emplace_back(pattern.str());
        }
        out["mx"] = std::move(mx);
    }
    if (!sts.why.empty()) out["why"] = text(sts.why);
    if (sts.failure) out["failure"] = to_string(sts.failure->type);
    return out;
}

json::array tlsa_array(const TlsaSet& set) {
    json::array out;
    for (const TlsaAssessment& assessed : set.records) {
        if (out.size() == max_records) break;
        json::object record;
        record["record"] = shown(assessed.record.str());
        record["meaning"] = assessed.record.describe();
        record["use"] = to_string(assessed.use);
        if (!assessed.why.empty()) record["why"] = text(assessed.why);
        out.emplace_back(std::move(record));
    }
    return out;
}

json::object rule_check_object(const RuleCheck& check) {
    std::vector<std::string> pins(check.pins.size());
    std::transform(check.pins.begin(), check.pins.end(), pins.begin(),
                   [](const SpkiPin& p) { return p.str(); });
    std::vector<std::string> names(check.names.size());
    std::transform(check.names.begin(), check.names.end(), names.begin(),
                   [](const NamePattern& name) { return name.str(); });
    json::object out;
    out["pins"] = strings(pins);
    out["names"] = strings(names);
    out["own_ca"] = check.trusted != nullptr;
    return out;
}

json::object decision_object(const HopDecision& d) {
    json::object out;
    out["action"] = d.attempt ? "attempt" : "skip";
    out["reason"] = to_string(d.reason);
    out["explanation"] = text(d.explanation);
    if (!d.remedy.empty()) out["remedy"] = text(d.remedy);
    if (d.side != Side::nobody) out["side"] = to_string(d.side);
    if (d.lack != Lack::none) out["lack"] = to_string(d.lack);
    if (!d.attempt) return out;
    out["tls_required"] = d.tls_required;
    if (d.tls_off) out["tls_off"] = true;
    if (d.min_tls) out["min_tls"] = to_string(*d.min_tls);
    if (d.requiretls) out["requiretls"] = true;
    out["web_pki"] = to_string(d.web_pki);
    out["sni"] = d.sni;
    if (d.dane) {
        json::object dane;
        dane["check"] = to_string(d.dane_check);
        dane["base_domain"] = d.dane->base_domain.str();
        json::array names;
        for (const Domain& name : d.dane->reference_names) names.emplace_back(name.str());
        dane["reference_names"] = std::move(names);
        dane["tlsa"] = tlsa_array(d.dane->tlsa);
        out["dane"] = std::move(dane);
    }
    if (d.rule_check) out["rule_check"] = rule_check_object(*d.rule_check);
    if (!d.not_stronger.empty()) out["not_stronger"] = strings(d.not_stronger);
    if (d.observed) out["observed"] = decision_object(*d.observed);
    return out;
}

json::object chain_object(const ChainOutcome& chain) {
    json::object out;
    out["ok"] = chain.ok;
    if (chain.ok) {
        out["matched"] = text(chain.matched);
    } else {
        out["fault"] = to_string(chain.fault);
        out["detail"] = text(chain.detail);
    }
    if (!chain.subject.empty()) out["subject"] = chain.subject;
    return out;
}

json::array results_array(const std::vector<TlsResult>& results) {
    json::array out;
    for (const TlsResult& result : results) {
        json::object entry;
        entry["policy_type"] = to_string(result.policy.type);
        entry["policy_domain"] = result.policy.domain;
        entry["success"] = result.session_success;
        if (!result.failures.empty()) {
            entry["result_type"] = to_string(result.failures.front().type);
            entry["reason"] = text(result.failures.front().reason_code);
        }
        out.emplace_back(std::move(entry));
    }
    return out;
}

json::object session_object(const SessionTrace& session) {
    json::object out;
    out["address"] = session.address;
    if (!session.error.empty()) out["error"] = text(session.error);
    if (session.facts.stage != TlsStage::not_reached) {
        json::object tls;
        tls["stage"] = to_string(session.facts.stage);
        if (!session.facts.protocol.empty()) tls["protocol"] = session.facts.protocol;
        if (!session.facts.cipher.empty()) tls["cipher"] = session.facts.cipher;
        if (!session.facts.detail.empty()) tls["detail"] = text(session.facts.detail);
        if (session.facts.dane) tls["dane"] = chain_object(*session.facts.dane);
        if (session.facts.web_pki) tls["web_pki"] = chain_object(*session.facts.web_pki);
        if (session.facts.rule) tls["rule"] = chain_object(*session.facts.rule);
        if (session.facts.resumed) tls["resumed"] = true;
        if (session.facts.requiretls) tls["requiretls_offered"] = true;
        out["tls"] = std::move(tls);
    }
    if (session.verdict) {
        const Verdict& v = *session.verdict;
        json::object verdict;
        verdict["action"] = to_string(v.action);
        verdict["achieved"] = to_string(v.achieved);
        if (!v.by.empty()) verdict["by"] = v.by;
        verdict["explanation"] = text(v.explanation);
        if (!v.remedy.empty()) verdict["remedy"] = text(v.remedy);
        if (v.side != Side::nobody) verdict["side"] = to_string(v.side);
        if (v.cause != ResultType::none) verdict["cause"] = to_string(v.cause);
        if (v.lack != Lack::none) verdict["lack"] = to_string(v.lack);
        if (!v.would_hold.empty()) verdict["would_hold"] = text(v.would_hold);
        verdict["tlsrpt"] = results_array(v.results);
        out["verdict"] = std::move(verdict);
    }
    if (!session.reply.empty()) out["reply"] = text(session.reply);
    return out;
}

json::object hop_object(const HopTrace& hop) {
    json::object out;
    out["host"] = hop.host.name.str();
    out["preference"] = hop.host.preference;
    json::array lookups;
    for (const auto* answer : {&hop.answers.a, &hop.answers.aaaa, &hop.answers.cname})
        if (answer->has_value()) lookups.emplace_back(lookup(**answer));
    for (const TlsaLookup& tlsa : hop.answers.tlsa) lookups.emplace_back(lookup(tlsa.answer));
    out["lookups"] = std::move(lookups);
    // With usable records they stand with the decision that rests on them.
    const bool shown_below = hop.decision && hop.decision->dane;
    if (!shown_below && !hop.tlsa.records.empty()) out["tlsa"] = tlsa_array(hop.tlsa);
    if (hop.decision) {
        out["decision"] = decision_object(*hop.decision);
        if (!hop.decision->results.empty()) out["tlsrpt"] = results_array(hop.decision->results);
    }
    json::array sessions;
    for (const SessionTrace& session : hop.sessions) {
        if (sessions.size() == max_sessions) break;
        sessions.emplace_back(session_object(session));
    }
    out["sessions"] = std::move(sessions);
    if (hop.sessions.size() > max_sessions) out["more_sessions"] = hop.sessions.size() - max_sessions;
    return out;
}

}  // namespace

std::string to_json(const AttemptTrace& trace) {
    json::object out;
    out["schema"] = trace_schema;
    if (!trace.message.empty()) out["message"] = trace.message;
    out["domain"] = trace.domain.str();
    json::object rule;
    rule["level"] = trace.rule_level;
    rule["origin"] = text(trace.rule);
    if (trace.rule_observes) rule["observe"] = true;
    out["rule"] = std::move(rule);
    if (trace.message_tls != MessageTls::by_policy) out["message_tls"] = to_string(trace.message_tls);
    if (trace.interrupted > 0) out["interrupted"] = trace.interrupted;
    if (!trace.route.empty()) out["route"] = strings(trace.route);
    if (trace.mx_answer) out["mx_lookup"] = lookup(*trace.mx_answer);
    if (trace.mx) out["mx"] = mx_object(*trace.mx);
    if (trace.sts) out["sts"] = sts_object(*trace.sts);
    json::array hops;
    for (const HopTrace& hop : trace.hops) {
        if (hops.size() == max_hops) break;
        hops.emplace_back(hop_object(hop));
    }
    out["hops"] = std::move(hops);
    if (trace.hops.size() > max_hops) out["more_hops"] = trace.hops.size() - max_hops;
    out["outcome"] = trace.outcome;
    out["summary"] = text(trace.summary);
    if (!trace.remedy.empty()) out["remedy"] = text(trace.remedy);
    if (trace.side != Side::nobody) out["side"] = to_string(trace.side);
    return json::serialize(out);
}

std::string to_json(const ReusedTrace& trace) {
    json::object out;
    out["schema"] = trace_schema;
    out["message"] = trace.message;
    out["domain"] = trace.domain;
    out["rule"] = {{"level", trace.rule_level}, {"origin", text(trace.rule)}};
    out["reused"] = trace.nth;
    if (trace.interrupted > 0) out["interrupted"] = trace.interrupted;
    out["hops"] = json::array();
    out["outcome"] = trace.outcome;
    out["summary"] = text(trace.summary);
    out["reply"] = text(trace.reply);
    return json::serialize(out);
}

std::string whole_trace(std::string own, std::string_view opened) {
    if (opened.empty()) return own;
    boost::system::error_code ec;
    json::value mine = json::parse(own, ec);
    if (ec || !mine.is_object() || !mine.as_object().contains("reused")) return own;
    json::value whole = json::parse(json::string_view(opened.data(), opened.size()), ec);
    if (ec || !whole.is_object()) return own;
    json::object& out = whole.as_object();
    // What was looked up, decided and achieved holds for this message too; what came of it is its own.
    for (const char* key : {"message", "reused", "interrupted", "outcome", "summary"})
        if (const json::value* const value = mine.as_object().if_contains(key))
            out[key] = *value;
        else
            out.erase(key);
    out.erase("remedy");
    out.erase("side");
    json::value* const hops =
        out.if_contains("hops");  // after the last insertion, which moves what is in `out`
    if (hops == nullptr || !hops->is_array() || hops->as_array().empty()) return own;
    json::value& hop = hops->as_array().back();
    if (json::value* const sessions = hop.is_object() ? hop.as_object().if_contains("sessions") : nullptr;
        sessions != nullptr && sessions->is_array() && !sessions->as_array().empty()) {
        json::value& session = sessions->as_array().back();
        const json::value* const reply = mine.as_object().if_contains("reply");
        if (session.is_object() && reply != nullptr) session.as_object()["reply"] = *reply;
    }
    return json::serialize(whole);
}

}  // namespace sealpost::security
