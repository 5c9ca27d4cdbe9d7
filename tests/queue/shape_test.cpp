#include "queue/shape.hpp"

#include <doctest/doctest.h>

namespace sealpost::queue {

using namespace std::chrono_literals;

TEST_SUITE("queue/shape") {
    TEST_CASE("an age falls into the first column whose end is behind it") {
        struct Row {
            std::chrono::milliseconds age;
            std::size_t column;
        };
        for (const Row& row : {Row{-1h, 0}, Row{0ms, 0}, Row{5min - 1ms, 0}, Row{5min, 1}, Row{10min, 2},
                               Row{39min, 3}, Row{40min, 4}, Row{320min, 7}, Row{640min, 8},
                               Row{1280min - 1ms, 8}, Row{1280min, 9}, Row{24h * 365, 9}}) {
            CAPTURE(row.age.count());
            CHECK(Shape::column(row.age) == row.column);
        }
    }

    TEST_CASE("the table has the most recipients first and sums up the rest as others") {
        Shape shape;
        for (int i = 0; i < 3; ++i) shape.add("big.example", 1min);
        shape.add("big.example", 48h);
        shape.add("b.example", 6min);
        shape.add("a.example", 6min);
        const Shape::Table all = shape.table(10);
        REQUIRE(all.rows.size() == 3);
        CHECK(all.rows[0].domain == "big.example");
        CHECK(all.rows[0].total == 4);
        CHECK(all.rows[0].counts == Shape::Counts{3, 0, 0, 0, 0, 0, 0, 0, 0, 1});
        CHECK(all.rows[1].domain == "a.example");
        CHECK(all.total.total == 6);
        CHECK(all.others.total == 0);
        const Shape::Table one = shape.table(1);
        CHECK(one.rows.size() == 1);
        CHECK(one.others.total == 2);
        CHECK(one.others.counts[1] == 2);
        CHECK(one.total.total == 6);
        CHECK_FALSE(one.more_domains);
    }

    TEST_CASE("a flood of domains is counted without being kept") {
        Shape shape(2);
        for (const char* domain : {"a.example", "b.example", "c.example", "d.example", "a.example"})
            shape.add(domain, 1min);
        const Shape::Table table = shape.table(10);
        CHECK(table.rows.size() == 2);
        CHECK(table.rows[0].total == 2);
        CHECK(table.others.total == 2);
        CHECK(table.total.total == 5);
        CHECK(table.more_domains);
        CHECK(Shape().table(10).total.total == 0);
    }

    TEST_CASE("a sender counts under its domain and a notice under the null reverse-path") {
        CHECK(sender_domain("a@B.Example") == "b.example");
        CHECK(sender_domain("\"x@y\"@b.example") == "b.example");
        CHECK(sender_domain("") == "<>");
        CHECK(sender_domain("postmaster") == "postmaster");
    }
}

}  // namespace sealpost::queue
