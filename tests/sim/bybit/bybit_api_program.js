// A program on npm's bybit-api, as it is: node bybit_api_program.js ORIGIN KEY SECRET. Prints what it got as one JSON object.
const { WebsocketAPIClient, WebsocketClient, DefaultLogger } = require('bybit-api');

const [origin, key, secret] = process.argv.slice(2);
const quiet = Object.fromEntries(Object.keys(DefaultLogger).map((name) => [name, () => {}]));
const client = (path, more) => new WebsocketClient({ key, secret, wsUrl: origin + path, ...more }, quiet);

const next = (ws, wanted) =>
  new Promise((resolve, reject) => {
    ws.on('exception', reject);
    ws.on('update', (update) => wanted(update) && resolve(update));
  });

async function main() {
  const got = {};
  const linear = client('/v5/public/linear');
  const [book, trade, ticker] = ['orderbook', 'publicTrade', 'tickers'].map((name) =>
    next(linear, (update) => update.topic.startsWith(name)),
  );
  linear.subscribeV5(['orderbook.50.BTCUSDT', 'publicTrade.BTCUSDT', 'tickers.BTCUSDT'], 'linear');
  got.book = (await book).type;
  got.trade = (await trade).data[0].s;
  const last = Number((await ticker).data.lastPrice);
  const events = client('/v5/public/event');
  const quotes = next(events, (update) => update.topic.startsWith('orderbook.25'));
  events.subscribeV5(['orderbook.25.ETHUSDT-31DEC27-2450-2570-OUT'], 'event');
  got.quotes = (await quotes).data.r.length;

  const privately = client('/v5/private');
  const statuses = [];
  const triggered = next(privately, (update) => {
    update.data.forEach((order) => statuses.push([order.orderId, order.orderStatus]));
    return update.data.some((order) => order.orderStatus === 'Untriggered');
  });
  await Promise.all(privately.subscribeV5(['order'], 'linear'));

  const trading = new WebsocketAPIClient({ key, secret, wsUrl: origin + '/v5/trade', attachEventListeners: false }, quiet);
  const order = { category: 'linear', symbol: 'BTCUSDT', side: 'Buy', qty: '0.01' };
  const placed = await trading.submitNewOrder({ ...order, orderType: 'Limit', price: (last - 500).toFixed(1) });
  const orderId = placed.data.orderId;
  await trading.amendOrder({ category: 'linear', symbol: 'BTCUSDT', orderId, qty: '0.02' });
  await trading.cancelOrder({ category: 'linear', symbol: 'BTCUSDT', orderId });
  const stop = { ...order, orderType: 'Market', triggerPrice: (last + 300).toFixed(1), triggerDirection: 1 };
  got.stop = (await trading.submitNewOrder(stop)).data.orderId;
  await triggered;
  const batch = await trading.batchSubmitOrders('linear', [{ ...order, orderType: 'Market', positionIdx: 1 }]);
  got.batch = batch.retExtInfo.list;
  got.id = orderId;
  got.statuses = statuses;
  try {
    await trading.submitNewOrder({ ...order, orderType: 'Limit', price: '999999.0' });
  } catch (refused) {
    got.refused = refused.retCode;
  }
  console.log(JSON.stringify(got));
}

setTimeout(() => process.exit(3), 40000).unref();
main().then(() => process.exit(0), (error) => { console.error(error); process.exit(1); });
