#include "queue/shape.hpp"

#include <algorithm>
#include <numeric>

#include "config/keyword.hpp"

namespace sealpost::queue {
namespace {

std::uint64_t sum(const Shape::Counts& counts) {
    return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
}

void add_to(Shape::Row& row, const Shape::Counts& counts) {
    for (std::size_t i = 0; i < counts.size(); ++i) row.counts.at(i) += counts.at(i);
    row.total += sum(counts);
}

}  // namespace

std::size_t Shape::column(std::chrono::milliseconds age) {
    std::chrono::milliseconds end = std::chrono::minutes(5);
    std::size_t column = 0;
    for (; column + 1 < columns && age >= end; ++column) end *= 2;
    return column;
}

void Shape::add(std::string_view domain, std::chrono::milliseconds age) {
    const std::size_t at = column(age);
    auto found = domains_.find(domain);
    if (found == domains_.end()) {
        if (domains_.size() >= max_domains_) {
            more_domains_ = true;
            ++others_.at(at);
            return;
        }
        found = domains_.emplace(domain, Counts{}).first;
    }
    ++found->second.at(at);
}

Shape::Table Shape::table(std::size_t max_rows) const {
    Table table;
    table.more_domains = more_domains_;
    add_to(table.others, others_);
    std::vector<Row> all;
    all.reserve(domains_.size());
    for (const auto& [domain, counts] : domains_) {
        Row& row = all.emplace_back();
        row.domain = domain;
        add_to(row, counts);
    }
    std::sort(all.begin(), all.end(), [](const Row& a, const Row& b) {
        return a.total != b.total ? a.total > b.total : a.domain < b.domain;
    });
    for (Row& row : all) {
        add_to(table.total, row.counts);
        if (table.rows.size() < max_rows)
            table.rows.push_back(std::move(row));
        else
            add_to(table.others, row.counts);
    }
    add_to(table.total, others_);
    return table;
}

std::string sender_domain(std::string_view sender) {
    if (sender.empty()) return "<>";
    const std::size_t at = sender.rfind('@');
    return ascii_lower(std::string(at == std::string_view::npos ? sender : sender.substr(at + 1)));
}

}  // namespace sealpost::queue
