// A real-time loop that learns while it runs: at each tick it predicts the next sample from the last 16, hears
// the true one, and takes one training step. Halfway the signal changes; the filter follows.
//   bmc filter.bm -o filter.so && c++ -O2 -o host host.cpp ./filter.so -Wl,-rpath,. && ./host
#include "filter.h"
#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <memory>
#include <vector>

namespace {
constexpr int TAPS = 16, TICKS = 20000;

struct Close {
    void operator()(filter *m) const { filter_close(m); }
};

double sample(int tick) { // two tones; other ones in the second half
    double t = tick, low = tick < TICKS / 2 ? 0.11 : 0.23, high = tick < TICKS / 2 ? 0.31 : 0.47;
    return 0.6 * std::sin(low * t) + 0.3 * std::sin(high * t + 1.0);
}

double microseconds(std::vector<double> &times, double part) {
    std::sort(times.begin(), times.end());
    return 1e6 * times[static_cast<size_t>(part * static_cast<double>(times.size() - 1))];
}
} // namespace

int main() {
    filter *opened = nullptr;
    int status = filter_open(&opened, nullptr);
    std::unique_ptr<filter, Close> model(opened);
    if (status != 0) return std::puts(model ? filter_error(model.get()) : "out of memory"), 1;
    filter_set_threads(model.get(), 1); // a few thousand operations: a second thread would only wait

    std::array<float, TAPS> past{};
    std::vector<double> times;
    double squares = 0;
    for (int tick = 0; tick < TICKS; tick++) {
        auto begin = std::chrono::steady_clock::now();
        float guess, loss, truth = static_cast<float>(sample(tick));
        status = filter_predict(model.get(), 1, past.data(), &guess);
        if (status == 0) status = filter_train_step(model.get(), 1, past.data(), &truth, &loss);
        if (status != 0) return std::puts(filter_error(model.get())), 1;
        std::rotate(past.begin(), past.begin() + 1, past.end());
        past.back() = truth;
        times.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
        squares += (guess - truth) * (guess - truth);
        if ((tick + 1) % 2500 == 0) {
            std::printf("tick %5d  error of prediction %.4f\n", tick + 1, std::sqrt(squares / 2500));
            squares = 0;
        }
    }
    std::printf("predict and learn: median %.1f us, 99 %% under %.1f us\n", microseconds(times, 0.5),
                microseconds(times, 0.99));
    return filter_save(model.get(), "filter.safetensors", 0);
}
