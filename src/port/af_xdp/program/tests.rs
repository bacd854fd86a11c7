mod kernel;
mod parsing;
mod plain;
