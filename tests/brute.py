"""A market in plain Python, written from the rules alone, to compare the kernel with."""

from __future__ import annotations

from math import exp


class BruteMarket:
    def __init__(self, config, pack, z):
        rounds = config.rounds or len(pack.contribution)
        holders = config.holders or len(pack.holders)
        lots = [(t, i) for t in range(rounds) for i in range(holders)]
        mean_c = sum(pack.contribution[lot] for lot in lots) / len(lots)
        loss = {s: config.a * pack.semantic[s] + config.b * pack.perceptual[s] for s in lots}
        mean_l = sum(loss.values()) / len(lots)
        self.base = {
            s: config.price
            * (config.alpha * pack.contribution[s] / mean_c + config.beta * loss[s] / mean_l)
            for s in lots
        }
        self.expected = {s: self.base[s] * exp(config.sigma * z[s[1]]) for s in lots}
        self.exposure = {s: loss[s] / sum(loss.values()) for s in lots}
        self.budget = self.money = config.rho * sum(self.base.values())
        self.config, self.model, self.rounds, self.holders = config, pack.surrogate, rounds, holders
        self.bought, self.paid, self.total_reward = set(), {}, 0.0

    def play(self, shares, actions, orders):
        for t in range(self.rounds):
            if self.money <= 1e-9 * self.budget:
                break
            left = shares[t] * self.money
            for i in orders[t]:
                markup = 0.5 * 4 ** ((actions[t][i] - 1) / 9) if actions[t][i] else 0.0
                price = min(markup * self.base[t, i], left)
                if price > 0 and price >= self.expected[t, i]:
                    before = self.quality()
                    self.bought.add((t, i))
                    self.paid[t, i] = price
                    left -= price
                    self.money -= price
                    self.total_reward += self.quality() - before
                    self.total_reward -= self.config.kappa * price / self.budget
                    self.total_reward -= self.config.copyright_weight * self.exposure[t, i]

    def quality(self):
        if not self.bought:
            return 0.0
        model, holders = self.model, len(self.model.shares)
        counts, exposure = [0] * holders, [0.0] * holders
        for t in range(self.rounds):
            new = [i for s, i in self.bought if s == t]
            for i in new:
                counts[i] += 1
            for i in range(holders):
                exposure[i] *= model.fade ** len(new)
                exposure[i] += len(new) * counts[i] / max(sum(counts), 1)
        value = 0.0
        for unit, out in enumerate(model.out):
            start = total = model.bias[unit]
            for i in range(holders):
                total += counts[i] / sum(counts) * model.shares[i][unit]
                total += exposure[i] / model.rounds * model.exposures[i][unit]
            value += out * (total / (1 + abs(total)) - start / (1 + abs(start)))
        return value
