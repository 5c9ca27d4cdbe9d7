#include "mta/resolver/frame.hpp"

#include <algorithm>
#include <span>

namespace sealpost::resolver {
namespace {

using security::DnsAnswer;
using security::DnsData;
using security::DnsStatus;
using security::RrType;

constexpr std::uint8_t kind_question = 1;
constexpr std::uint8_t kind_answer = 2;
constexpr std::size_t max_name = 255;

class Writer {
public:
    explicit Writer(std::uint8_t kind) : out_(4, '\0') { u8(kind); }
    void u8(std::uint8_t v) { out_.push_back(static_cast<char>(v)); }
    void u16(std::uint16_t v) {
        u8(static_cast<std::uint8_t>(v >> 8));
        u8(static_cast<std::uint8_t>(v & 0xff));
    }
    void u32(std::uint32_t v) {
        u16(static_cast<std::uint16_t>(v >> 16));
        u16(static_cast<std::uint16_t>(v & 0xffff));
    }
    void text(std::string_view v) {
        u16(static_cast<std::uint16_t>(v.size()));
        out_.append(v);
    }
    void bytes(std::span<const std::uint8_t> v) {
        u32(static_cast<std::uint32_t>(v.size()));
        out_.insert(out_.end(), v.begin(), v.end());
    }
    std::string finish() && {
        const auto length = static_cast<std::uint32_t>(out_.size() - 4);
        for (std::size_t i = 0; i < 4; ++i) out_[i] = static_cast<char>((length >> (24 - 8 * i)) & 0xff);
        return std::move(out_);
    }

private:
    std::string out_;
};

/// Reads fields until one does not fit; `ok()` is asked once at the end.
class Reader {
public:
    explicit Reader(std::string_view in) : in_(in) {}
    std::uint8_t u8() {
        if (in_.empty()) return failed();
        const auto v = static_cast<std::uint8_t>(in_.front());
        in_.remove_prefix(1);
        return v;
    }
    std::uint16_t u16() {
        const std::uint16_t high = u8();
        return static_cast<std::uint16_t>((high << 8) | u8());
    }
    std::uint32_t u32() {
        const std::uint32_t high = u16();
        return (high << 16) | u16();
    }
    std::string_view take(std::size_t n) {
        if (n > in_.size()) {
            failed();
            return {};
        }
        const std::string_view v = in_.substr(0, n);
        in_.remove_prefix(n);
        return v;
    }
    [[nodiscard]] bool ok() const { return ok_; }
    [[nodiscard]] bool at_end() const { return in_.empty(); }

private:
    std::uint8_t failed() {
        ok_ = false;
        in_ = {};
        return 0;
    }
    std::string_view in_;
    bool ok_ = true;
};

bool known(RrType type) {
    switch (type) {
        case RrType::a:
        case RrType::cname:
        case RrType::mx:
        case RrType::txt:
        case RrType::aaaa:
        case RrType::tlsa:
            return true;
    }
    return type == security::dnskey_type;
}

}  // namespace

std::string encode(const QuestionFrame& frame) {
    Writer w(kind_question);
    w.u32(frame.id);
    w.u16(static_cast<std::uint16_t>(frame.question.type));
    w.text(frame.question.name);
    return std::move(w).finish();
}

std::string encode(const AnswerFrame& frame) {
    const DnsAnswer& a = frame.answer;
    std::size_t total = 0;
    for (const auto& rdata : a.rdata) total += rdata.size();
    for (const auto& rdata : a.rrsig) total += rdata.size();
    if (total > max_rdata_total || a.rdata.size() > max_records || a.rrsig.size() > max_records ||
        a.canonical.size() > max_name || a.name.size() > max_name) {
        AnswerFrame error{frame.id, {}};
        error.answer.name = a.name.substr(0, max_name);
        error.answer.type = a.type;
        error.answer.status = DnsStatus::error;
        error.answer.why =
            fmt::format("the answer exceeds a limit ({} records, {} octets)", a.rdata.size(), total);
        return encode(error);
    }
    Writer w(kind_answer);
    w.u32(frame.id);
    w.u16(static_cast<std::uint16_t>(a.type));
    w.u8(static_cast<std::uint8_t>(a.status));
    w.u8(static_cast<std::uint8_t>(a.data));
    w.u32(static_cast<std::uint32_t>(std::clamp<std::int64_t>(a.ttl.count(), 0, 0x7fffffff)));
    w.text(a.name);
    w.text(a.canonical);
    w.text(std::string_view(a.why).substr(0, max_why));
    w.u16(static_cast<std::uint16_t>(a.rdata.size()));
    for (const auto& rdata : a.rdata) w.bytes(rdata);
    w.u16(static_cast<std::uint16_t>(a.rrsig.size()));
    for (const auto& rdata : a.rrsig) w.bytes(rdata);
    return std::move(w).finish();
}

Result<std::optional<std::string>> take_frame(std::string& buffer, std::size_t max_length) {
    if (buffer.size() < 4) return std::nullopt;
    std::uint32_t length = 0;
    for (std::size_t i = 0; i < 4; ++i) length = (length << 8) | static_cast<std::uint8_t>(buffer[i]);
    if (length == 0 || length > max_length)
        return fail(Errc::protocol,
                    fmt::format("a frame of {} octets, 1..{} are allowed", length, max_length));
    if (buffer.size() - 4 < length) return std::nullopt;
    std::string payload = buffer.substr(4, length);
    buffer.erase(0, 4 + std::size_t{length});
    return payload;
}

Result<QuestionFrame> decode_question(std::string_view payload) {
    Reader r(payload);
    const std::uint8_t kind = r.u8();
    QuestionFrame frame;
    frame.id = r.u32();
    frame.question.type = static_cast<RrType>(r.u16());
    frame.question.name = r.take(r.u16());
    if (!r.ok() || !r.at_end() || kind != kind_question || !known(frame.question.type) ||
        frame.question.name.empty() || frame.question.name.size() > max_name ||
        frame.question.name.find('\0') != std::string::npos)
        return fail(Errc::protocol, "malformed question frame");
    return frame;
}

Result<AnswerFrame> decode_answer(std::string_view payload) {
    Reader r(payload);
    const std::uint8_t kind = r.u8();
    AnswerFrame frame;
    DnsAnswer& a = frame.answer;
    frame.id = r.u32();
    a.type = static_cast<RrType>(r.u16());
    const std::uint8_t status = r.u8();
    const std::uint8_t data = r.u8();
    a.ttl = std::chrono::seconds(r.u32());
    a.name = r.take(r.u16());
    a.canonical = r.take(r.u16());
    a.why = r.take(r.u16());
    std::size_t total = 0;
    const auto take_records = [&r, &total](std::vector<std::vector<std::uint8_t>>& to) {
        const std::size_t count = r.u16();
        for (std::size_t i = 0; i < count && r.ok(); ++i) {
            const std::string_view rdata = r.take(r.u32());
            total += rdata.size();
            to.emplace_back(rdata.begin(), rdata.end());
        }
    };
    take_records(a.rdata);
    take_records(a.rrsig);
    if (!r.ok() || !r.at_end() || kind != kind_answer || !known(a.type) ||
        status > static_cast<std::uint8_t>(DnsStatus::error) ||
        data > static_cast<std::uint8_t>(DnsData::nxdomain) || a.name.size() > max_name ||
        a.canonical.size() > max_name || a.why.size() > max_why || a.rdata.size() > max_records ||
        a.rrsig.size() > max_records || total > max_rdata_total)
        return fail(Errc::protocol, "malformed answer frame");
    a.status = static_cast<DnsStatus>(status);
    a.data = static_cast<DnsData>(data);
    // Data without records, or records without data, is not an answer that any caller may see.
    if (!a.failed() && (a.data == DnsData::data) == a.rdata.empty())
        return fail(Errc::protocol, "an answer frame whose records contradict its kind");
    return frame;
}

}  // namespace sealpost::resolver
