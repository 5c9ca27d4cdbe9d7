/// \file The routes below /v1/queue: parsing and building, as request.hpp lists them.
#pragma once
#include <string_view>

#include "mta/admin/parameters.hpp"
#include "mta/admin/request.hpp"

namespace sealpost::admin {

[[nodiscard]] bool is_queue_path(std::string_view path);
[[nodiscard]] Outcome<Request> parse_queue_request(const Call& call, std::string_view path,
                                                   std::string_view query);

[[nodiscard]] Call encode_queue(const ListQueue& request);
[[nodiscard]] Call encode_queue(const CountQueue& request);
[[nodiscard]] Call encode_queue(const ShapeQueue& request);
[[nodiscard]] Call encode_queue(const ShowMessage& request);
[[nodiscard]] Call encode_queue(const ChangeQueue& request);

}  // namespace sealpost::admin
