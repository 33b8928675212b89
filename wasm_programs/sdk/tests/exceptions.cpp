// What C++ programs expect of exceptions and of the standard library; the answers stand in exceptions.expected.
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

struct Guard {
    std::string name;
    ~Guard() { std::cout << "gone: " << name << "\n"; }
};

static int deep(int n) {
    Guard guard{"level " + std::to_string(n)};
    if (n == 0) throw std::runtime_error("from below");
    return deep(n - 1) + 1;
}

struct Base {
    virtual ~Base() = default;
};
struct Derived : Base {};

int main() {
    try {
        deep(2);
    } catch (const std::exception &e) {
        std::cout << "caught: " << e.what() << std::endl;
    }
    try {
        std::vector<int> empty;
        (void)empty.at(3);
    } catch (const std::out_of_range &) {
        std::cout << "out of range\n";
    }
    try {
        try {
            throw 5;
        } catch (...) {
            std::cout << "again\n";
            throw;
        }
    } catch (int n) {
        std::cout << "int " << n << "\n";
    }
    auto shared = std::make_shared<Derived>();
    std::cout << (dynamic_cast<Derived *>(static_cast<Base *>(shared.get())) != nullptr) << "\n";

    std::map<std::string, double> numbers{{"b", 2.5}, {"a", 1e-3}};
    std::ostringstream text;
    for (auto &[key, value] : numbers) text << key << "=" << value << " ";
    text << std::hex << std::showbase << 255;
    std::cout << text.str() << "\n";
    int sum = 0, n;
    std::istringstream words("1 2 3 x");
    while (words >> n) sum += n;
    std::cout << sum << " " << words.fail() << "\n";

    std::ofstream("/note") << "kept\n";
    std::string line;
    std::ifstream file("/note");
    std::getline(file, line);
    std::cout << line << " " << std::filesystem::file_size("/note") << "\n";

    // There are no threads yet, and a program is told so.
    try {
        std::thread([] {}).join();
        std::cout << "a thread\n";
    } catch (const std::system_error &) {
        std::cout << "no thread\n";
    }
}
