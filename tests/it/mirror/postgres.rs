//! The mirror in PostgreSQL: tables that people can query, and the commands for its schema.

use std::process::Command;

use serde_json::{Value, json};

use super::conformance::{Rows, Target, as_texts, assert_equal, conforms, with};
use crate::harness::postgres::Postgres;
use crate::harness::{Launch, Server, eventually};

/// All orders of the database, as the API shows them.
const ORDERS: &str = "SELECT json_build_object(
        'id', id, 'jobId', job_id, 'userId', user_id, 'productId', product_id, 'quantity', quantity,
        'unitPrice', unit_price::text, 'totalPrice', total_price::text, 'status', status, 'priority', priority,
        'reference', reference, 'metadata', metadata, 'attempts', attempts, 'failureReason', failure_reason,
        'reservedAt', shown(reserved_at), 'expiresAt', shown(expires_at),
        'createdAt', shown(created_at), 'updatedAt', shown(updated_at))::text
    FROM orders";

/// All products of the database, as the API shows them.
const PRODUCTS: &str = "SELECT json_build_object(
        'id', id, 'name', name, 'sku', sku, 'price', price::text, 'flashSaleActive', flash_sale_active,
        'hidden', hidden, 'perUserLimit', per_user_limit, 'holdSeconds', hold_seconds,
        'saleStartsAt', shown(sale_starts_at), 'saleEndsAt', shown(sale_ends_at),
        'initialStock', initial_stock, 'adjustedStock', adjusted_stock, 'currentStock', current_stock,
        'heldStock', held_stock, 'soldStock', sold_stock,
        'createdAt', shown(created_at), 'updatedAt', shown(updated_at))::text
    FROM products";

/// A time as the API shows it, for the session that asks.
const SHOWN: &str = "CREATE OR REPLACE FUNCTION pg_temp.shown(at timestamptz) RETURNS text LANGUAGE sql AS
    $$ SELECT to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') $$";

/// The rows that a statement gives as JSON; none where the tables are not there yet.
async fn rows(postgres: &Postgres, sql: &str) -> Rows {
    let database = postgres.connect("postgres").await;
    database.batch_execute(SHOWN).await.unwrap();
    let rows = database.query(&sql.replace("shown(", "pg_temp.shown("), &[]).await.unwrap_or_default();
    as_texts(rows.iter().map(|row| serde_json::from_str(row.get(0)).unwrap()).collect())
}

async fn execute(postgres: &Postgres, sql: &str) {
    postgres.connect("postgres").await.batch_execute(sql).await.unwrap();
}

impl Target for Postgres {
    const MIRROR: &'static str = "postgres";

    async fn start() -> Self {
        Self::start(&[]).await
    }

    fn port(&self) -> u16 {
        self.port()
    }

    fn settings(&self, port: u16) -> Vec<(&'static str, String)> {
        vec![("DATABASE_URL", format!("postgres://postgres@127.0.0.1:{port}/postgres"))]
    }

    async fn kill(&mut self) {
        self.kill().await;
    }

    async fn run(&mut self) {
        self.run().await;
    }

    fn clear(&mut self) {
        Self::clear(self);
    }

    fn signal(&self, name: &str) {
        self.signal(name);
    }

    async fn orders(&self) -> Rows {
        rows(self, ORDERS).await
    }

    async fn products(&self) -> Rows {
        rows(self, PRODUCTS).await
    }

    async fn reject(&self, order: u64) {
        execute(self, &format!("ALTER TABLE orders ADD CONSTRAINT unwanted CHECK (id <> {order})")).await;
    }

    async fn accept(&self, order: u64) {
        let database = self.connect("postgres").await;
        let why = "SELECT error FROM mirror_rejected WHERE kind = 'order' AND id = $1";
        let error: String = database.query_one(why, &[&order.cast_signed()]).await.unwrap().get(0);
        assert!(error.contains("unwanted"), "{error}");
        execute(self, "ALTER TABLE orders DROP CONSTRAINT unwanted").await;
    }
}

conforms!(Postgres);

/// A server that mirrors into the database `sale`, which exists.
async fn mirrored(postgres: &Postgres) -> Launch {
    let launch = Server::with().env("DATABASE_URL", &postgres.url("sale"));
    let setup = launch.command(&["db", "setup"]).await;
    assert_eq!(setup.code, Some(0), "{setup:?}");
    launch
}

async fn mirror(server: &Server) -> Value {
    server.get("/monitoring/metrics").await.expect(200).body["mirrors"]["postgres"].clone()
}

#[tokio::test]
async fn the_tables_say_what_the_store_says_and_can_be_queried_as_people_know_them() {
    let postgres = Postgres::start(&[]).await;
    let server = with(&postgres, postgres.port()).arg("--sample-data").start().await;
    let database = postgres.connect("postgres").await;
    let held = server.create_with(json!({"holdSeconds": 600, "perUserLimit": 3, "sku": "L-1"})).await;
    for (user, product) in [("ada", 1), ("bob", 2), ("cy", held), ("dee", held)] {
        let order = json!({"productId": product, "userId": user, "quantity": 2, "reference": format!("r-{user}"),
            "metadata": {"colour": "red \u{1f980}", "note": "a'b\"c"}});
        server.post("/orders", order).await.expect(201);
    }
    let cancelled = server.all("/orders?userId=cy").await[0]["id"].as_u64().unwrap();
    server.act(&format!("/orders/{cancelled}/cancel")).await.expect(200);
    server.put("/inventory/5", json!({"price": "1.50", "flashSaleActive": false})).await;
    server.delete("/inventory/4").await;
    assert_equal(&postgres, &server).await;

    let stock = "SELECT id, name, flash_sale_active, current_stock FROM products";
    let stock = database.query(stock, &[]).await.unwrap();
    let first = stock.iter().find(|row| row.get::<_, i64>(0) == 1).unwrap();
    assert_eq!((first.get(1), first.get(2), first.get(3)), ("iPhone 15 Pro", true, 98_i64));
    let newest = database.query("SELECT * FROM orders ORDER BY created_at DESC LIMIT 10", &[]).await.unwrap();
    assert_eq!(newest.len(), 4);
    let type_of = "SELECT numeric_precision, numeric_scale FROM information_schema.columns
        WHERE table_name = 'products' AND column_name = 'price'";
    let price = database.query_one(type_of, &[]).await.unwrap();
    assert_eq!((price.get::<_, i32>(0), price.get::<_, i32>(1)), (10, 2));
}

#[tokio::test]
async fn a_row_that_the_tables_do_not_take_is_put_aside_and_keeps_up_no_other() {
    let postgres = Postgres::start(&[]).await;
    let server = mirrored(&postgres).await.start().await;
    let database = postgres.connect("sale").await;
    // More than numeric(10,2) holds, and allowed in the store.
    let dear = server.create_with(json!({"price": "123456789.00"})).await;
    let usual = server.create(50).await;
    for user in 0..20 {
        let product = if user % 5 == 0 { dear } else { usual };
        server.order(product, &format!("u{user}"), 1).await.expect(201);
    }
    let count = "SELECT count(*) FROM orders";
    eventually("the other orders", async || {
        (database.query_one(count, &[]).await.unwrap().get::<_, i64>(0) == 16).then_some(())
    })
    .await;
    let rejected = "SELECT kind, count(*), min(error) FROM mirror_rejected GROUP BY kind ORDER BY kind";
    let rejected = eventually("the rejected rows", async || {
        let rows = database.query(rejected, &[]).await.unwrap();
        (rows.len() == 2 && rows[0].get::<_, i64>(1) == 4).then_some(rows)
    })
    .await;
    assert_eq!((rejected[0].get(0), rejected[0].get(1)), ("order", 4_i64));
    assert_eq!((rejected[1].get(0), rejected[1].get(1)), ("product", 1_i64));
    assert!(rejected[1].get::<_, &str>(2).contains("numeric field overflow"));
    eventually("the figures to say so", async || {
        let state = mirror(&server).await;
        (state["connected"] == true && state["putAside"].as_u64().unwrap() >= 5).then_some(())
    })
    .await;
    server.writes("the database rejected a row").await;

    // A price applies to the orders that come after it: those that are there keep theirs, and their place aside.
    server.put(&format!("/inventory/{dear}"), json!({"price": "12.00"})).await.expect(200);
    eventually("the product", async || {
        let product = database.query_opt("SELECT FROM products WHERE id = $1", &[&dear.cast_signed()]).await.unwrap();
        product.map(drop)
    })
    .await;
    server.order(dear, "late", 1).await.expect(201);
    eventually("its new order", async || {
        (database.query_one(count, &[]).await.unwrap().get::<_, i64>(0) == 17).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_rejected_product_that_is_deleted_is_put_aside_no_longer() {
    let postgres = Postgres::start(&[]).await;
    let server = mirrored(&postgres).await.start().await;
    let database = postgres.connect("sale").await;
    let dear = server.create_with(json!({"price": "123456789.00"})).await;
    let rejected = "SELECT FROM mirror_rejected";
    eventually("the rejected row", async || database.query_opt(rejected, &[]).await.unwrap().map(drop)).await;
    server.delete(&format!("/inventory/{dear}")).await.expect(204);
    eventually("nothing to be put aside", async || {
        database.query(rejected, &[]).await.unwrap().is_empty().then_some(())
    })
    .await;
}

#[tokio::test]
async fn one_server_mirrors_into_a_database_and_a_second_one_says_so_and_takes_orders() {
    let postgres = Postgres::start(&[]).await;
    let first = mirrored(&postgres).await.start().await;
    let second = Server::with().env("DATABASE_URL", &postgres.url("sale")).start().await;
    let product = second.create(5).await;
    second.order(product, "ada", 1).await.expect(201);
    let error = eventually("the second one to say why", async || {
        let state = mirror(&second).await;
        state["lastError"].as_str().map(str::to_owned)
    })
    .await;
    assert!(error.contains("another flashsale server mirrors into this database"), "{error}");
    assert_eq!(first.get_root("/readyz").await.expect(200).body["mirrors"]["postgres"]["connected"], true);
    assert_eq!(second.get_root("/readyz").await.expect(200).body["mirrors"]["postgres"]["connected"], false);
    drop(first);
    eventually("the second one to take its place", async || (mirror(&second).await["connected"] == true).then_some(()))
        .await;
    let copied = "SELECT FROM orders WHERE user_id = 'ada'";
    let database = postgres.connect("sale").await;
    eventually("its order", async || database.query_opt(copied, &[]).await.unwrap().map(drop)).await;
}

#[tokio::test]
async fn the_commands_make_show_revert_and_drop_the_schema() {
    let postgres = Postgres::start(&[]).await;
    let launch = Launch::bare(&[]).env("DATABASE_URL", &postgres.url("sale"));
    let run = async |args: &[&str]| launch.command(args).await;
    let said = async |args: &[&str], code: i32, text: &str| {
        let ended = run(args).await;
        assert_eq!(ended.code, Some(code), "{ended:?}");
        assert!(format!("{}{}", ended.stdout, ended.stderr).contains(text), "{text} is not in {ended:?}");
    };
    said(&["db", "status"], 1, "the database sale does not exist; `flashsale db setup` creates it").await;
    said(&["db", "setup"], 0, "created the database sale\napplied ").await;
    said(&["db", "setup"], 0, "the database has all migrations").await;
    said(&["db", "status"], 0, "no server has mirrored into it").await;
    said(&["db", "seed"], 0, "wrote 5 sample products").await;
    said(&["db", "seed"], 1, "empty tables only").await;
    said(&["db", "drop"], 1, "nothing was changed; add --yes").await;
    said(&["db", "status"], 0, "5 products").await;
    said(&["db", "revert"], 0, "reverted ").await;
    said(&["db", "seed"], 1, "`flashsale db migrate` applies them").await;
    said(&["db", "migrate"], 0, "applied ").await;

    let own = ["--database-migrations", "own"];
    said(&["db", "generate", "an index", own[0], own[1]], 0, "_an_index.up.sql").await;
    let files = std::fs::read_dir(launch.directory().join("own")).unwrap().map(|entry| entry.unwrap().path());
    let up = files.into_iter().find(|path| path.to_str().unwrap().ends_with(".up.sql")).unwrap();
    std::fs::write(&up, "CREATE TABLE own_one (); CREATE TABLE own_two (").unwrap();
    said(&["db", "migrate", own[0], own[1]], 1, "failed and changed nothing: db error: ERROR: syntax error").await;
    std::fs::write(&up, "CREATE INDEX orders_status ON orders (status);").unwrap();
    said(&["db", "migrate", own[0], own[1]], 0, "an_index").await;
    said(&["db", "migrate"], 1, "which this version does not know").await;
    std::fs::write(&up, "SELECT 1").unwrap();
    said(&["db", "status", own[0], own[1]], 1, "was changed after it was applied").await;
    std::fs::write(&up, "CREATE INDEX orders_status ON orders (status);").unwrap();
    said(&["db", "drop", "--yes", own[0], own[1]], 0, "reverted 2 of 2").await;
    let database = postgres.connect("sale").await;
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
    assert_eq!(database.query_one(tables, &[]).await.unwrap().get::<_, i64>(0), 0);
}

#[tokio::test]
async fn two_that_migrate_at_once_apply_each_migration_once() {
    let postgres = Postgres::start(&[]).await;
    let launch = Launch::bare(&[]).env("DATABASE_URL", &postgres.url("sale"));
    postgres.connect("postgres").await.batch_execute("CREATE DATABASE sale").await.unwrap();
    let migrate = ["db", "migrate"];
    let all = tokio::join!(launch.command(&migrate), launch.command(&migrate), launch.command(&migrate));
    let all = [all.0, all.1, all.2];
    assert!(all.iter().all(|ended| ended.code == Some(0)), "{all:?}");
    assert_eq!(all.iter().filter(|ended| ended.stdout.starts_with("applied")).count(), 1, "{all:?}");
}

#[tokio::test]
async fn a_schema_that_is_newer_and_a_command_that_would_take_it_from_a_server_are_rejected() {
    let postgres = Postgres::start(&[]).await;
    let launch = mirrored(&postgres).await;
    let server = launch.clone().start().await;
    eventually("the mirror", async || (mirror(&server).await["connected"] == true).then_some(())).await;
    for command in [&["db", "revert"][..], &["db", "drop", "--yes"], &["db", "seed"]] {
        let ended = server.launch.command(command).await;
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.stderr.contains("a server mirrors into this database; stop it first"), "{ended:?}");
    }
    drop(server);
    let database = postgres.connect("sale").await;
    let newer = "INSERT INTO schema_migrations (version, name, checksum) VALUES (99990101000000, 'later', 'x')";
    database.batch_execute(newer).await.unwrap();
    let server = Server::with().env("DATABASE_URL", &postgres.url("sale")).start().await;
    let product = server.create(5).await;
    server.order(product, "ada", 1).await.expect(201);
    let error = eventually("the error", async || mirror(&server).await["lastError"].as_str().map(str::to_owned)).await;
    assert!(error.contains("99990101000000 (later), which this version does not know"), "{error}");
}

#[tokio::test]
async fn the_connection_is_encrypted_where_that_is_asked_and_the_certificate_is_checked() {
    let mut postgres = Postgres::start(&[]).await;
    postgres.stop().await;
    let (key, certificate) = (postgres.file("data/server.key"), postgres.file("data/server.crt"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"])
        .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .output();
    assert!(made.expect("the openssl command").status.success());
    postgres.owns(&key);
    postgres.with_setting("ssl=on");
    postgres.run().await;
    let parts = |launch: Launch| {
        let port = postgres.port().to_string();
        launch
            .env("DATABASE_HOST", "127.0.0.1")
            .env("DATABASE_PORT", &port)
            .env("DATABASE_NAME", "sale")
            .env("DATABASE_SSLMODE", "require")
    };
    // A certificate that anybody could have made is no reason to go on without encryption, nor with it.
    let untrusted = parts(Launch::bare(&[])).command(&["db", "setup"]).await;
    assert_eq!(untrusted.code, Some(1), "{untrusted:?}");
    assert!(untrusted.stderr.contains("certificate"), "{untrusted:?}");
    let trusted = parts(Server::with()).env("DATABASE_CA_FILE", certificate.to_str().unwrap());
    let setup = trusted.command(&["db", "setup"]).await;
    assert_eq!(setup.code, Some(0), "{setup:?}");
    let _server = trusted.start().await;
    let database = postgres.connect("sale").await;
    let encrypted = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
        WHERE ssl AND application_name = 'flashsale'";
    eventually("an encrypted connection", async || {
        (database.query_one(encrypted, &[]).await.unwrap().get::<_, i64>(0) == 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn settings_that_cannot_be_used_are_an_error_at_the_start_and_show_no_password() {
    for (set, said) in [
        (&[("DATABASE_URL", "mysql://root:hidden@db/sale")][..], "DATABASE_URL is not a URL of PostgreSQL"),
        (&[("DATABASE_URL", "postgres://u:hidden@db/x"), ("DATABASE_HOST", "db")], "DATABASE_URL and DATABASE_HOST"),
        (&[("DATABASE_HOST", "db"), ("DATABASE_CA_FILE", "/nowhere")], "DATABASE_CA_FILE /nowhere"),
        (&[("DATABASE_HOST", "db"), ("DATABASE_PORT", "0")], "DATABASE_PORT"),
    ] {
        let launch = set.iter().fold(Server::with(), |launch, (name, value)| launch.env(name, value));
        let ended = launch.run().await;
        assert!(ended.code.is_some_and(|code| code != 0), "{ended:?}");
        assert!(ended.stderr.contains(said) && !ended.stderr.contains("hidden"), "{said}: {ended:?}");
    }
}
