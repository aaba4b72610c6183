DROP TABLE mirror_rejected;
DROP TABLE mirror_position;
DROP TABLE orders;
DROP TABLE products;
