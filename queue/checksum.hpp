/// \file Checksum: SHA-256 over fields, each preceded by its length, so that no two lists of fields collide.
///
/// It finds damage (disk, memory, a lost page), it does not authenticate: there is no key.
#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

struct evp_md_ctx_st;

namespace sealpost::queue {

class Checksum {
public:
    Checksum();
    Checksum& add(std::string_view field);
    Checksum& add(std::int64_t number);
    /// A piece of one long field, or of octets that are all there is: no length before it.
    Checksum& append(std::string_view piece);
    /// 32 octets. Ends the use of this object.
    [[nodiscard]] std::string finish();
    /// The first 8 octets of finish(), for rows where 32 would weigh more than the row.
    [[nodiscard]] std::int64_t finish_short();

private:
    struct Free {
        void operator()(evp_md_ctx_st* context) const noexcept;
    };
    std::unique_ptr<evp_md_ctx_st, Free> context_;
};

}  // namespace sealpost::queue
