from copyright_gym import single
from copyright_gym.market import Market

class SingleMarket(single.SingleMarket):
    def __init__(self, market: Market) -> None: ...
