<?php
// Checks access tokens of one SESAR service without asking the server about each.
//     php verify.php https://tokens.example.org samples < tokens.txt
// One token a line; prints "good USER", "expired", "revoked", "wrong service", "bad token", or "unavailable", which
// means: let nobody in now, try again. Needs php-cli alone.
[, $server, $service] = $argv;
$kept = []; // address => [believed until, content]

function b64(string $s): string {
    return preg_match('/^[\w-]*$/D', $s) ? (string)base64_decode(strtr($s, '-_', '+/')) : '';
}
function cached(string $address, callable $read) {
    global $kept;
    if (hrtime(true) >= ($kept[$address][0] ?? 0)) {
        $how = stream_context_create(['http' => ['timeout' => 10, 'follow_location' => 0]]);
        $text = @file_get_contents($address, false, $how, 0, 1 << 20);
        if ($text === false || ($new = $read($text, $address)) === null) throw new Exception('unavailable');
        $kept[$address] = [hrtime(true) + (int)($new[0] * 1e9), $new[1]];
    }
    return $kept[$address][1];
}
function readKeys(string $text): ?array { // kid => PEM, believed for five minutes
    foreach (json_decode($text, true)['keys'] ?? [] as $k) {
        $der = hex2bin('3059301306072a8648ce3d020106082a8648ce3d03010703420004') . b64($k['x']) . b64($k['y']);
        $set[$k['kid']] = "-----BEGIN PUBLIC KEY-----\n" . base64_encode($der) . "\n-----END PUBLIC KEY-----\n";
    }
    return isset($set) ? [300, $set] : null;
}
function signed(string $token, string $typ): ?array { // the claims, when a key of the service has signed them
    global $server, $service;
    if (count($p = explode('.', $token)) != 3 || strlen($sig = b64($p[2])) != 64) return null;
    $h = json_decode(b64($p[0]), true);
    $pem = cached("$server/symbolon/keys/$service/jwks.json", 'readKeys')[$h['kid'] ?? ''] ?? null;
    if ($pem === null || $h['alg'] !== 'ES256' || ($h['typ'] ?? '') !== $typ || isset($h['crit'])) return null;
    $int = fn($n) => "\x02" . chr(strlen($n = ord(($n = ltrim($n, "\0"))[0] ?? "\xff") > 127 ? "\0$n" : $n)) . $n;
    $rs = $int(substr($sig, 0, 32)) . $int(substr($sig, 32)); // as ASN.1 has them
    $good = openssl_verify("$p[0].$p[1]", "\x30" . chr(strlen($rs)) . $rs, $pem, OPENSSL_ALGO_SHA256) === 1;
    return $good ? json_decode(b64($p[1]), true) : null;
}
function readList(string $text, string $address): ?array { // believed for its ttl, and not past its exp
    $c = signed(trim($text), 'statuslist+jwt');
    if (($c['sub'] ?? '') !== $address || $c['status_list']['bits'] !== 1 || $c['exp'] <= time()) return null;
    $bits = @gzuncompress(b64($c['status_list']['lst']), 1 << 17);
    return $bits === false ? null : [min($c['ttl'], $c['exp'] - time()), [$bits, $c['not_before'] ?? []]];
}
function check(string $token): string {
    global $server, $service;
    if (($c = signed($token, 'JWT')) === null || ($c['token_type'] ?? '') !== 'access') return 'bad token';
    if ($c['iss'] !== $server || $c['aud'] !== $service) return 'wrong service';
    if (time() >= $c['exp'] || $c['iat'] > time()) return 'expired';
    ['idx' => $i, 'uri' => $uri] = $c['status']['status_list'] ?? ['idx' => 0, 'uri' => ''];
    if (!str_starts_with($uri, "$server/symbolon/status/")) return 'bad token';
    [$bits, $before] = cached($uri, 'readList');
    $ended = ord($bits[$i >> 3] ?? "\xff") >> ($i & 7) & 1 || $c['iat'] < max($before[''] ?? 0, $before[$service] ?? 0);
    return $ended ? 'revoked' : "good $c[user_id]";
}
while (($line = fgets(STDIN)) !== false) {
    try { echo check(trim($line)), "\n"; } catch (Exception) { echo "unavailable\n"; }
}
