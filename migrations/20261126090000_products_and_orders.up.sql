-- What the store has, for those who query it. Only the server writes here; it copies rows as they are in its store.

CREATE TABLE products (
    id bigint PRIMARY KEY,
    name text NOT NULL,
    sku text,
    price numeric(10, 2) NOT NULL,
    flash_sale_active boolean NOT NULL,
    hidden boolean NOT NULL,
    per_user_limit integer,
    sale_starts_at timestamptz,
    sale_ends_at timestamptz,
    hold_seconds integer,
    initial_stock bigint NOT NULL,
    -- Units that an operator added later, less those taken away.
    adjusted_stock bigint NOT NULL,
    -- Units that can be bought, in pending orders, and in confirmed ones.
    current_stock bigint NOT NULL,
    held_stock bigint NOT NULL,
    sold_stock bigint NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CHECK (initial_stock + adjusted_stock = current_stock + held_stock + sold_stock)
);

CREATE TABLE orders (
    id bigint PRIMARY KEY,
    job_id text NOT NULL,
    user_id text NOT NULL,
    product_id bigint NOT NULL REFERENCES products (id),
    quantity integer NOT NULL,
    unit_price numeric(10, 2) NOT NULL,
    total_price numeric GENERATED ALWAYS AS (unit_price * quantity) STORED,
    status text NOT NULL CHECK (status IN ('pending', 'confirmed', 'failed', 'cancelled')),
    priority text NOT NULL,
    reference text,
    metadata jsonb,
    attempts integer NOT NULL,
    -- A code such as expired, perhaps with the last error after it.
    failure_reason text,
    reserved_at timestamptz NOT NULL,
    expires_at timestamptz,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
-- Room on each page for the moves of its orders, which touch no index.
) WITH (fillfactor = 80);

CREATE INDEX orders_user_id ON orders (user_id);
CREATE INDEX orders_product_id ON orders (product_id);
CREATE INDEX orders_created_at ON orders (created_at);

-- How far the copy is, in one transaction with what is copied.
CREATE TABLE mirror_position (
    is_the_only_row boolean PRIMARY KEY DEFAULT true CHECK (is_the_only_row),
    history text NOT NULL,
    sequence bigint NOT NULL,
    updated_at timestamptz NOT NULL
);

-- Rows that the tables above did not take, and why. They are tried again.
CREATE TABLE mirror_rejected (
    kind text NOT NULL CHECK (kind IN ('product', 'order')),
    id bigint NOT NULL,
    error text NOT NULL,
    rejected_at timestamptz NOT NULL,
    PRIMARY KEY (kind, id)
);
