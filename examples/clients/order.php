<?php
// Places one order and follows it. Asks again with the same key while the server is busy or away, for a minute.
// Usage: php order.php URL PRODUCT USER QUANTITY KEY. STOREFRONT_TOKEN, if the server has one. Needs PHP 8.
// Exit code: 0 when the units are bought or reserved, 1 when the order was rejected, 2 when nobody knows yet.
declare(strict_types=1);

const PATIENCE_SECONDS = 60;

/** One request: its status, 0 if there was no response, its body, and the seconds of Retry-After, if there are any. */
function once(string $url, ?array $order, array $headers): array
{
    $options = ['ignore_errors' => true, 'timeout' => 10, 'follow_location' => 0, 'header' => $headers];
    if ($order !== null) {
        $options += ['method' => 'POST', 'content' => json_encode($order)];
    }
    $stream = @fopen($url, 'r', false, stream_context_create(['http' => $options]));
    if ($stream === false) {
        return [0, null, 0];
    }
    $head = stream_get_meta_data($stream)['wrapper_data'];
    $body = json_decode((string) stream_get_contents($stream), true);
    fclose($stream);
    preg_match('{^HTTP/\S+ (\d+)}', $head[0], $status);
    preg_match('{^retry-after: *(\d+)}im', implode("\n", $head), $after);
    return [is_array($body) ? (int) $status[1] : 0, $body, (int) ($after[1] ?? 0)];
}

/** The same, repeated while that helps; status 0 if there was no response to the end. */
function ask(string $url, ?array $order, array $headers, float $deadline): array
{
    for ($pause = 1; ; $pause = min($pause * 2, 30)) {
        [$status, $body, $after] = once($url, $order, $headers);
        if ($status !== 0 && $status !== 429 && $status < 500) {
            return [$status, $body];
        }
        $after = $after ?: $pause;
        if (microtime(true) + $after > $deadline) {
            return [0, null];
        }
        usleep($after * 1_000_000 + random_int(0, 999_999)); // not all buyers at the same moment
    }
}

/** What there is to say, and the exit code. */
function buy(string $server, array $order, string $key, string $token): array
{
    $deadline = microtime(true) + PATIENCE_SECONDS;
    $headers = ['Content-Type: application/json', "Idempotency-Key: $key"];
    if ($token !== '') {
        $headers[] = "Authorization: Bearer $token";
    }
    [$status, $placed] = ask("$server/api/v1/orders", $order, $headers, $deadline);
    if ($status === 0) {
        return ['not ordered: ask again with the same key', 2];
    }
    if ($status !== 201) {
        return ["not ordered: {$placed['code']}", 1];
    }
    $name = "order {$placed['orderId']}";
    while (microtime(true) < $deadline) {
        [$status, $job] = ask("$server/api/v1/orders/queue/{$placed['jobId']}", null, [], $deadline);
        if ($status !== 200) {
            return ["$name: unknown", 2];
        }
        if ($job['orderStatus'] !== 'pending') {
            return ["$name: {$job['orderStatus']}", $job['orderStatus'] === 'confirmed' ? 0 : 1];
        }
        if ($job['expiresAt'] !== null) {
            return ["$name: reserved until {$job['expiresAt']}", 0];
        }
        sleep(1);
    }
    return ["$name: pending", 2];
}

if ($argc !== 6) {
    fwrite(STDERR, "usage: php order.php URL PRODUCT USER QUANTITY KEY\n");
    exit(2);
}
[, $url, $product, $user, $quantity, $key] = $argv;
$order = ['productId' => (int) $product, 'userId' => $user, 'quantity' => (int) $quantity];
[$text, $code] = buy($url, $order, $key, (string) getenv('STOREFRONT_TOKEN'));
echo $text, "\n";
exit($code);
