#include "mta/resolver/answer_packet.hpp"

namespace sealpost::resolver {
namespace {

constexpr std::uint16_t type_rrsig = 46;

/// Reads forward until something does not fit; `ok` is asked at the end.
class Packet {
public:
    explicit Packet(std::span<const std::uint8_t> octets) : in_(octets) {}

    std::uint16_t u16() {
        const auto octets = take(2);
        return ok_ ? static_cast<std::uint16_t>((octets[0] << 8) | octets[1]) : std::uint16_t{0};
    }
    std::span<const std::uint8_t> take(std::size_t n) {
        if (!ok_ || n > in_.size()) {
            ok_ = false;
            return {};
        }
        const auto out = in_.first(n);
        in_ = in_.subspan(n);
        return out;
    }
    /// Over a name; where a pointer leads does not matter.
    void skip_name() {
        while (ok_) {
            const auto length = take(1);
            if (!ok_ || length[0] == 0) return;
            if ((length[0] & 0xc0) == 0xc0) {
                take(1);
                return;
            }
            if ((length[0] & 0xc0) != 0) ok_ = false;
            take(length[0]);
        }
    }
    [[nodiscard]] bool ok() const { return ok_; }

private:
    std::span<const std::uint8_t> in_;
    bool ok_ = true;
};

}  // namespace

Result<std::vector<std::vector<std::uint8_t>>> signatures_in(std::span<const std::uint8_t> packet,
                                                             security::RrType covered, std::size_t max) {
    Packet in(packet);
    in.take(4);  // ID, flags
    const std::uint16_t questions = in.u16();
    const std::uint16_t answers = in.u16();
    in.take(4);  // the counts of the other sections
    for (std::uint16_t i = 0; i < questions && in.ok(); ++i) {
        in.skip_name();
        in.take(4);
    }
    std::vector<std::vector<std::uint8_t>> out;
    for (std::uint16_t i = 0; i < answers && in.ok(); ++i) {
        in.skip_name();
        const std::uint16_t type = in.u16();
        in.take(6);  // class, TTL
        const auto rdata = in.take(in.u16());
        if (!in.ok() || type != type_rrsig || rdata.size() < 2) continue;
        if (((rdata[0] << 8) | rdata[1]) != static_cast<int>(covered)) continue;
        if (out.size() < max) out.emplace_back(rdata.begin(), rdata.end());
    }
    if (!in.ok()) return fail(Errc::protocol, "a packet that ends too early");
    return out;
}

}  // namespace sealpost::resolver
